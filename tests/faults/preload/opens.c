// SPDX-License-Identifier: Apache-2.0
// Opening, duplicating and closing descriptors.
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/faults/preload/inject.h"
#include "tests/faults/preload/names.h"
#include "tests/faults/preload/record.h"
#include "tests/faults/preload/state.h"

// What the C library calls when programs are built with _FORTIFY_SOURCE.
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags);

static bool exists(int folder, const char *path)
{
    struct stat status;
    int saved = errno;
    bool found = fstatat(folder, path, &status, 0) == 0;
    errno = saved;
    return found;
}

// Remembers an open descriptor of the watched directory.
static void remember(int fd, const char *below, int flags)
{
    struct faults_file *file = &faults.files[fd];
    snprintf(file->path, sizeof file->path, "%s", below);
    file->due = (flags & (O_DSYNC | O_SYNC)) != 0;
    file->append = (flags & O_APPEND) != 0;
    uint64_t handle = ++faults.handles;
    faults_record_event(FAULTS_OPEN, handle, (uint64_t)flags, below, strlen(below));
    atomic_store(&file->handle, handle);
}

static int open_watched(int folder, const char *path, int flags, mode_t mode, const char *below)
{
    if ((flags & O_CREAT) != 0 && !exists(folder, path)) {
        int error = faults_judge(FAULTS_NAME, below, 0, 1).error;
        if (error != 0) {
            errno = error;
            return -1;
        }
    }
    int fd = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (fd >= 0 && fd < FAULTS_DESCRIPTORS) {
        remember(fd, below, flags);
    }
    return fd;
}

static int open_any(int folder, const char *path, int flags, mode_t mode)
{
    char whole[PATH_MAX];
    const char *below = faults.ready ? faults_resolve(folder, path, whole) : NULL;
    if (below == NULL || (flags & O_PATH) != 0) {
        int fd = (int)syscall(SYS_openat, folder, path, flags, mode);
        faults_forget(fd);
        return fd;
    }
    faults_lock();
    int fd = open_watched(folder, path, flags, mode, below);
    faults_unlock();
    return fd;
}

static mode_t mode_of(int flags, va_list arguments)
{
    bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    return creates ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
    FAULTS_EXPORT int name(const char *path, int flags, ...)                                       \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode_t mode = mode_of(flags, arguments);                                                   \
        va_end(arguments);                                                                         \
        return open_any(AT_FDCWD, path, flags, mode);                                              \
    }
#define OPENAT(name)                                                                               \
    FAULTS_EXPORT int name(int folder, const char *path, int flags, ...)                           \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode_t mode = mode_of(flags, arguments);                                                   \
        va_end(arguments);                                                                         \
        return open_any(folder, path, flags, mode);                                                \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

FAULTS_EXPORT int __open_2(const char *path, int flags)
{
    return open_any(AT_FDCWD, path, flags, 0);
}

FAULTS_EXPORT int __open64_2(const char *path, int flags)
{
    return open_any(AT_FDCWD, path, flags, 0);
}

FAULTS_EXPORT int __openat_2(int folder, const char *path, int flags)
{
    return open_any(folder, path, flags, 0);
}

FAULTS_EXPORT int __openat64_2(int folder, const char *path, int flags)
{
    return open_any(folder, path, flags, 0);
}

FAULTS_EXPORT int creat(const char *path, mode_t mode)
{
    return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

FAULTS_EXPORT int creat64(const char *path, mode_t mode)
{
    return creat(path, mode);
}

// A copy of a descriptor writes to the same file.
static int copied(int from, int to)
{
    struct faults_file *file = faults_file_of(from);
    faults_forget(to);
    if (file != NULL && to >= 0 && to < FAULTS_DESCRIPTORS && to != from) {
        struct faults_file *other = &faults.files[to];
        memcpy(other->path, file->path, sizeof file->path);
        other->due = file->due;
        other->append = file->append;
        atomic_store(&other->handle, atomic_load(&file->handle));
    }
    return to;
}

FAULTS_EXPORT int dup(int fd)
{
    return copied(fd, (int)syscall(SYS_dup, fd));
}

FAULTS_EXPORT int dup2(int fd, int to)
{
    return fd == to ? (int)syscall(SYS_dup2, fd, to) : copied(fd, (int)syscall(SYS_dup2, fd, to));
}

FAULTS_EXPORT int dup3(int fd, int to, int flags)
{
    return copied(fd, (int)syscall(SYS_dup3, fd, to, flags));
}

FAULTS_EXPORT int close(int fd)
{
    faults_forget(fd);
    return (int)syscall(SYS_close, fd);
}

// These close a descriptor within the C library.
FAULTS_EXPORT int fclose(FILE *stream)
{
    int (*real)(FILE *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "fclose");
    memcpy(&real, &symbol, sizeof real);
    faults_forget(fileno(stream));
    return real(stream);
}

FAULTS_EXPORT int closedir(DIR *stream)
{
    int (*real)(DIR *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "closedir");
    memcpy(&real, &symbol, sizeof real);
    faults_forget(dirfd(stream));
    return real(stream);
}
