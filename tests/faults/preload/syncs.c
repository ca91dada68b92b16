// SPDX-License-Identifier: Apache-2.0
// fsync and its kin, and what changes a file's size. sync_file_range and msync promise nothing
// after a power cut, so they are delayed and failed as syncs are, and recorded as nothing.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/faults/preload/inject.h"
#include "tests/faults/preload/record.h"
#include "tests/faults/preload/state.h"

// The lock is not held while the disk works: writes beside it go on, and only those before its
// begin are safe at its end.
static int sync_watched(int fd, struct faults_file *file, long number)
{
    faults_lock();
    uint64_t handle = atomic_load(&file->handle);
    uint64_t sync = ++faults.syncs;
    faults_record_event(FAULTS_SYNC_BEGIN, handle, sync, NULL, 0);
    int error = faults_judge(FAULTS_SYNC, file->path, 0, 0).error;
    faults_unlock();
    int status = -1;
    errno = error;
    if (error == 0) {
        status = (int)syscall(number, fd);
    }
    faults_lock();
    faults_record_event(status == 0 ? FAULTS_SYNC_END : FAULTS_SYNC_FAILED, handle, sync, NULL, 0);
    faults_unlock();
    return status;
}

static int sync_file(int fd, long number)
{
    struct faults_file *file = faults_file_of(fd);
    return file == NULL ? (int)syscall(number, fd) : sync_watched(fd, file, number);
}

FAULTS_EXPORT int fsync(int fd)
{
    return sync_file(fd, SYS_fsync);
}

FAULTS_EXPORT int fdatasync(int fd)
{
    return sync_file(fd, SYS_fdatasync);
}

// Judges one call about a watched file; 0, or -1 with errno set.
static int judge(struct faults_file *file, enum faults_op op, size_t growth)
{
    int error = faults_judge(op, file->path, 0, growth).error;
    if (error != 0) {
        errno = error;
    }
    return error == 0 ? 0 : -1;
}

FAULTS_EXPORT int sync_file_range(int fd, off64_t offset, off64_t size, unsigned int flags)
{
    struct faults_file *file = faults_file_of(fd);
    if (file != NULL) {
        faults_lock();
        int status = judge(file, FAULTS_SYNC, 0);
        faults_unlock();
        if (status != 0) {
            return status;
        }
    }
    return (int)syscall(SYS_sync_file_range, fd, offset, size, flags);
}

static size_t growth_to(int fd, off_t size)
{
    struct stat status = {0};
    fstat(fd, &status);
    return size > status.st_size ? (size_t)(size - status.st_size) : 0;
}

FAULTS_EXPORT int ftruncate(int fd, off_t size)
{
    struct faults_file *file = faults_file_of(fd);
    if (file == NULL) {
        return (int)syscall(SYS_ftruncate, fd, size);
    }
    faults_lock();
    // A file made longer so has a hole, which takes no room.
    int status = judge(file, FAULTS_SPACE, 0);
    if (status == 0) {
        status = (int)syscall(SYS_ftruncate, fd, size);
    }
    if (status == 0) {
        faults_record_event(FAULTS_TRUNCATED, atomic_load(&file->handle), (uint64_t)size, NULL, 0);
    }
    faults_unlock();
    return status;
}

FAULTS_EXPORT int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

FAULTS_EXPORT int fallocate(int fd, int mode, off_t offset, off_t size)
{
    struct faults_file *file = faults_file_of(fd);
    if (file == NULL) {
        return (int)syscall(SYS_fallocate, fd, mode, offset, size);
    }
    faults_lock();
    int status = judge(file, FAULTS_SPACE, growth_to(fd, offset + size));
    if (status == 0) {
        status = (int)syscall(SYS_fallocate, fd, mode, offset, size);
    }
    if (status == 0 && mode == 0) {
        faults_record_event(
            FAULTS_EXTENDED, atomic_load(&file->handle), (uint64_t)(offset + size), NULL, 0);
    }
    faults_unlock();
    return status;
}

FAULTS_EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t size)
{
    return fallocate(fd, mode, offset, size);
}

// Unlike fallocate it gives the error back.
FAULTS_EXPORT int posix_fallocate(int fd, off_t offset, off_t size)
{
    return fallocate(fd, 0, offset, size) == 0 ? 0 : errno;
}

FAULTS_EXPORT int posix_fallocate64(int fd, off64_t offset, off64_t size)
{
    return posix_fallocate(fd, offset, size);
}
