// SPDX-License-Identifier: Apache-2.0
// write and its kin. Each goes one way: judged, done by the system call itself, recorded with what
// was really written.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/faults/preload/inject.h"
#include "tests/faults/preload/record.h"
#include "tests/faults/preload/state.h"

// Where a write goes that names no offset.
enum { AT_POSITION = -1 };

static size_t size_of(const struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        size += parts[i].iov_len;
    }
    return size;
}

static long system_write(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    if (flags != 0) {
        return syscall(SYS_pwritev2, fd, parts, count, offset, 0, flags);
    }
    if (offset == AT_POSITION) {
        return syscall(SYS_writev, fd, parts, count);
    }
    return syscall(SYS_pwritev, fd, parts, count, offset, 0);
}

// The first `limit` bytes of the parts, as parts; gives their number.
static int cut(struct iovec *shorter, const struct iovec *parts, int count, size_t limit)
{
    int kept = 0;
    while (kept < count && limit > 0) {
        shorter[kept] = parts[kept];
        if (shorter[kept].iov_len > limit) {
            shorter[kept].iov_len = limit;
        }
        limit -= shorter[kept].iov_len;
        kept++;
    }
    return kept;
}

// The offset that the next write has, and by how much it makes the file larger.
static off_t place(
    int fd, const struct faults_file *file, off_t offset, size_t size, size_t *growth)
{
    struct stat status = {0};
    fstat(fd, &status);
    if (file->append) {
        offset = status.st_size;
    } else if (offset == AT_POSITION) {
        offset = lseek(fd, 0, SEEK_CUR);
    }
    off_t end = offset + (off_t)size;
    *growth = end > status.st_size ? (size_t)(end - status.st_size) : 0;
    return offset;
}

static long write_watched(
    int fd, struct faults_file *file, const struct iovec *parts, int count, off_t offset, int flags)
{
    size_t size = size_of(parts, count);
    size_t growth = 0;
    bool due = file->due || (flags & (RWF_DSYNC | RWF_SYNC)) != 0;
    place(fd, file, offset, size, &growth);
    struct faults_verdict verdict = faults_judge(FAULTS_WRITE, file->path, size, growth);
    if (due && verdict.error == 0) {
        verdict.error = faults_judge(FAULTS_SYNC, file->path, 0, 0).error;
    }
    if (verdict.error != 0) {
        errno = verdict.error;
        return -1;
    }
    struct iovec shorter[IOV_MAX];
    if (verdict.limit < size && count <= IOV_MAX) {
        count = cut(shorter, parts, count, verdict.limit);
        parts = shorter;
    }
    off_t begin = place(fd, file, offset, size, &growth);
    long done = system_write(fd, parts, count, offset, flags);
    if (done > 0) {
        enum faults_kind kind = due ? FAULTS_WRITTEN_DUE : FAULTS_WRITTEN;
        faults_record_bytes(kind, atomic_load(&file->handle), (uint64_t)begin, parts, (size_t)done);
    }
    return done;
}

static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    struct faults_file *file = faults_file_of(fd);
    if (file == NULL) {
        return system_write(fd, parts, count, offset, flags);
    }
    faults_lock();
    long done = write_watched(fd, file, parts, count, offset, flags);
    faults_unlock();
    return done;
}

// A buffer as one part, which nobody writes to.
static struct iovec part_of(const void *data, size_t size)
{
    struct iovec part = {.iov_len = size};
    memcpy(&part.iov_base, &data, sizeof data);
    return part;
}

FAULTS_EXPORT ssize_t write(int fd, const void *data, size_t size)
{
    if (faults_file_of(fd) == NULL) {
        return syscall(SYS_write, fd, data, size);
    }
    struct iovec part = part_of(data, size);
    return write_parts(fd, &part, 1, AT_POSITION, 0);
}

FAULTS_EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return write_parts(fd, parts, count, AT_POSITION, 0);
}

FAULTS_EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    struct iovec part = part_of(data, size);
    return write_parts(fd, &part, 1, offset, 0);
}

FAULTS_EXPORT ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return pwrite(fd, data, size, offset);
}

FAULTS_EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return write_parts(fd, parts, count, offset, 0);
}

FAULTS_EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return write_parts(fd, parts, count, offset, 0);
}

FAULTS_EXPORT ssize_t pwritev2(
    int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    return write_parts(fd, parts, count, offset, flags);
}

FAULTS_EXPORT ssize_t pwritev64v2(
    int fd, const struct iovec *parts, int count, off64_t offset, int flags)
{
    return write_parts(fd, parts, count, offset, flags);
}
