// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/store/files.h"
#include "daemon/store/journal_files.h"
#include "daemon/store/save_name.h"

/* Where a copy is made: "saves/.NAME.tmp", later "saves/NAME". */
enum { PLACE_BYTES = NORMD_SAVE_NAME_BYTES + 16 };

static normd_status check(const normd_directory *directory, const char *name, char *path,
    size_t path_size, normd_error *error)
{
    normd_status status = normd_save_name_check(name, error);
    if (status != NORMD_OK) {
        return status;
    }
    int length = snprintf(path, path_size, "%s/saves/%s", directory->path, name);
    if (length < 0 || (size_t)length >= path_size) {
        return normd_error_set(error, NORMD_STORE_FAILED,
            "%s: the path of a copy would have more than %zu bytes", directory->path, path_size);
    }
    if (normd_files_exist(directory->descriptor, path + strlen(directory->path) + 1)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "name: expected a new one, got \"%s\", which %s has", name, path);
    }
    return NORMD_OK;
}

/* The folders and the format file, all but the rows; then everything's name on the disk. */
static int furnish(int copy)
{
    int code = normd_files_make_folder(copy, "base");
    if (code == 0) {
        code = normd_files_make_folder(copy, "journal");
    }
    if (code == 0) {
        int mark =
            openat(copy, "journal/" NORMD_JOURNAL_OF_COPY, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        code = mark < 0 ? errno : 0;
        if (mark >= 0) {
            close(mark);
        }
    }
    return code == 0 ? normd_directory_write_format(copy) : code;
}

static int sync_all(int copy)
{
    static const char *const FOLDERS[] = {"base", "journal", "."};
    int code = 0;
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0] && code == 0; i++) {
        code = normd_files_sync_folder(copy, FOLDERS[i]);
    }
    return code;
}

static normd_status fill(const normd_directory *directory, normd_base *base, const char *place,
    int copy, uint64_t *bytes, normd_error *error)
{
    char *rows;
    struct stat about;
    int code = furnish(copy);
    if (code != 0) {
        return normd_error_set(
            error, NORMD_STORE_FAILED, "%s/%s: %s", directory->path, place, strerror(code));
    }
    if (asprintf(&rows, "%s/%s/base/data.mdb", directory->path, place) < 0) {
        return normd_error_no_memory(error);
    }
    normd_status status = normd_base_copy(base, rows, error);
    if (status == NORMD_OK) {
        code = sync_all(copy);
        if (code == 0 && stat(rows, &about) != 0) {
            code = errno;
        }
        *bytes = code == 0 ? (uint64_t)about.st_size : 0;
    }
    free(rows);
    return code == 0 ? status
                     : normd_error_set(error, NORMD_STORE_FAILED, "%s/%s: %s", directory->path,
                           place, strerror(code));
}

static normd_status publish(
    const normd_directory *directory, const char *place, const char *path, normd_error *error)
{
    int at = directory->descriptor;
    int code = renameat(at, place, at, path + strlen(directory->path) + 1) == 0
                   ? normd_files_sync_folder(at, "saves")
                   : errno;
    return code == 0 ? NORMD_OK
                     : normd_error_set(error, NORMD_STORE_FAILED, "%s: %s", path, strerror(code));
}

normd_status normd_save_make(const normd_directory *directory, normd_base *base, const char *name,
    char *path, size_t path_size, uint64_t *bytes, normd_error *error)
{
    normd_status status = check(directory, name, path, path_size, error);
    if (status != NORMD_OK) {
        return status;
    }
    char place[PLACE_BYTES];
    snprintf(place, sizeof place, "saves/.%s.tmp", name);
    int at = directory->descriptor;
    int code = normd_files_make_folder(at, "saves");
    if (code == 0) {
        code = normd_files_remove(at, place);
    }
    if (code == 0) {
        code = normd_files_make_folder(at, place);
    }
    int copy = code == 0 ? openat(at, place, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (copy < 0) {
        return normd_error_set(error, NORMD_STORE_FAILED, "%s/%s: %s", directory->path, place,
            strerror(code != 0 ? code : errno));
    }
    status = fill(directory, base, place, copy, bytes, error);
    close(copy);
    if (status == NORMD_OK) {
        status = publish(directory, place, path, error);
    }
    if (status != NORMD_OK) {
        normd_files_remove(at, place);
    }
    return status;
}
