// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0600, FOLDER_MODE = 0700, MOST_LEVELS = 8, NAME_BYTES = 256 };

int normd_files_make_folder(int directory, const char *name)
{
    return mkdirat(directory, name, FOLDER_MODE) == 0 || errno == EEXIST ? 0 : errno;
}

static int write_all(int file, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t wrote = write(file, text, left);
        if (wrote < 0 && errno != EINTR) {
            return errno;
        }
        if (wrote > 0) {
            text += wrote;
            left -= (size_t)wrote;
        }
    }
    return fsync(file) == 0 ? 0 : errno;
}

int normd_files_write(int directory, const char *name, const char *text)
{
    char aside[NAME_BYTES];
    snprintf(aside, sizeof aside, "%s.tmp", name);
    int file = openat(directory, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    if (file < 0) {
        return errno;
    }
    int code = write_all(file, text);
    if (close(file) != 0 && code == 0) {
        code = errno;
    }
    if (code == 0 && renameat(directory, aside, directory, name) != 0) {
        code = errno;
    }
    return code == 0 ? normd_files_sync_folder(directory, ".") : code;
}

int normd_files_read(int directory, const char *name, char *text, size_t size)
{
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return errno;
    }
    ssize_t got = read(file, text, size - 1);
    int code = got < 0 ? errno : 0;
    text[got < 0 ? 0 : got] = '\0';
    close(file);
    return code;
}

bool normd_files_exist(int directory, const char *name)
{
    struct stat about;
    return fstatat(directory, name, &about, AT_SYMLINK_NOFOLLOW) == 0;
}

int normd_files_sync_folder(int directory, const char *name)
{
    int folder = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return errno;
    }
    int code = fsync(folder) == 0 ? 0 : errno;
    close(folder);
    return code;
}

int normd_files_each(int directory, const char *folder,
    bool (*each)(void *context, int folder_descriptor, const char *name), void *context)
{
    int descriptor = openat(directory, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (names == NULL) {
        int code = errno;
        if (descriptor >= 0) {
            close(descriptor);
        }
        return code;
    }
    bool more = true;
    errno = 0;
    for (struct dirent *entry = readdir(names); entry != NULL && more; entry = readdir(names)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            more = each(context, descriptor, entry->d_name);
        }
        errno = 0;
    }
    int code = errno;
    closedir(names);
    return code;
}

typedef struct removal {
    int levels, code;
} removal;

static bool remove_one(void *context, int folder, const char *name)
{
    removal *parent = context;
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT) {
        return true;
    }
    if (errno != EISDIR && errno != EPERM) {
        parent->code = errno;
        return false;
    }
    removal below = {.levels = parent->levels - 1};
    if (below.levels == 0) {
        parent->code = ELOOP;
        return false;
    }
    parent->code = normd_files_each(folder, name, remove_one, &below);
    if (parent->code == 0) {
        parent->code = below.code;
    }
    if (parent->code == 0 && unlinkat(folder, name, AT_REMOVEDIR) != 0) {
        parent->code = errno;
    }
    return parent->code == 0;
}

int normd_files_remove(int directory, const char *name)
{
    removal top = {.levels = MOST_LEVELS};
    remove_one(&top, directory, name);
    return top.code;
}
