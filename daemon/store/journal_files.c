// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/journal_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NUMBER_DIGITS = 12 };
#define FOLDER "journal/"

normd_segment_name normd_segment_name_of(uint64_t segment)
{
    normd_segment_name name;
    snprintf(name.text, sizeof name.text, FOLDER "%0*" PRIu64 ".log", (int)NUMBER_DIGITS, segment);
    return name;
}

const char *normd_segment_name_in_folder(const normd_segment_name *name)
{
    return name->text + strlen(FOLDER);
}

normd_status normd_segment_error(
    normd_error *error, const normd_segment_name *name, const char *what, int code)
{
    char text[128];
    return normd_error_set(error, NORMD_STORE_FAILED, "%s: %s: %s", name->text, what,
        strerror_r(code, text, sizeof text));
}

int normd_segment_sync(int file)
{
    while (fdatasync(file) != 0) {
        if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

static bool parse_name(const char *name, uint64_t *number)
{
    uint64_t value = 0;
    for (int i = 0; i < NUMBER_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(name[i] - '0');
    }
    *number = value;
    return strcmp(name + NUMBER_DIGITS, ".log") == 0;
}

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static normd_status collect(DIR *folder, uint64_t **number, size_t *count, normd_error *error)
{
    size_t room = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            return errno == 0 ? NORMD_OK
                              : normd_error_set(error, NORMD_STORE_FAILED,
                                    "journal: cannot list the directory: %s", strerror(errno));
        }
        uint64_t value;
        if (!parse_name(entry->d_name, &value)) {
            continue;
        }
        if (*count == room) {
            room = room == 0 ? 16 : 2 * room;
            uint64_t *grown = realloc(*number, room * sizeof *grown);
            if (grown == NULL) {
                return normd_error_no_memory(error);
            }
            *number = grown;
        }
        (*number)[(*count)++] = value;
    }
}

normd_status normd_segments_list(
    int directory, uint64_t **number, size_t *count, normd_error *error)
{
    *number = NULL;
    *count = 0;
    int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = again < 0 ? NULL : fdopendir(again);
    if (folder == NULL) {
        int code = errno;
        if (again >= 0) {
            close(again);
        }
        return normd_error_set(
            error, NORMD_STORE_FAILED, "journal: cannot list the directory: %s", strerror(code));
    }
    normd_status status = collect(folder, number, count, error);
    closedir(folder);
    if (status != NORMD_OK) {
        free(*number);
        *number = NULL;
        *count = 0;
        return status;
    }
    if (*count > 1) {
        qsort(*number, *count, sizeof **number, by_number);
    }
    return NORMD_OK;
}

static int write_header(int file, const unsigned char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t wrote = write(file, bytes, size);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return wrote == 0 ? ENOSPC : errno;
        }
        bytes += wrote;
        size -= (size_t)wrote;
    }
    return 0;
}

static int sync_with_folder(int file, int directory)
{
    while (fsync(file) != 0) {
        if (errno != EINTR) {
            return errno;
        }
    }
    while (fsync(directory) != 0) {
        if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

normd_status normd_segment_make(int directory, const normd_segment_header *header, int *file,
    uint32_t *seed, bool *touched, normd_error *error)
{
    normd_segment_name name = normd_segment_name_of(header->segment);
    *file = -1;
    *touched = false;
    int made = openat(directory, normd_segment_name_in_folder(&name),
        O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (made < 0) {
        return normd_segment_error(error, &name, "cannot make it", errno);
    }
    *touched = true;
    unsigned char bytes[NORMD_SEGMENT_HEADER_BYTES];
    *seed = normd_segment_header_write(header, bytes);
    int code = write_header(made, bytes, sizeof bytes);
    const char *what = "cannot write its header";
    if (code == 0) {
        code = sync_with_folder(made, directory);
        what = "cannot sync it";
    }
    if (code != 0) {
        close(made);
        return normd_segment_error(error, &name, what, code);
    }
    *file = made;
    return NORMD_OK;
}
