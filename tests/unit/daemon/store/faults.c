// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/daemon/store/faults.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

normd_faults normd_fault;

void normd_faults_clear(void)
{
    normd_fault.sync = 0;
    normd_fault.truncate = 0;
    normd_fault.write = 0;
    normd_fault.write_room = 0;
    normd_fault.write_piece = 0;
    normd_fault.interrupt = false;
    normd_fault.syncs = 0;
    normd_fault.writes = 0;
}

static bool fails(int code)
{
    if (code != 0) {
        errno = code;
    }
    return code != 0;
}

int fdatasync(int file)
{
    unsigned count = normd_fault.syncs++;
    if (normd_fault.interrupt && count % 2 == 0) {
        return fails(EINTR) ? -1 : 0;
    }
    if (fails(normd_fault.sync)) {
        normd_fault.sync = 0;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, file);
}

int ftruncate(int file, off_t size)
{
    return fails(normd_fault.truncate) ? -1 : (int)syscall(SYS_ftruncate, file, size);
}

/* At most `most` bytes of the parts. */
static ssize_t write_some(int file, const struct iovec *parts, int count, size_t most)
{
    size_t wrote = 0;
    for (int i = 0; i < count && wrote < most; i++) {
        size_t left = most - wrote;
        size_t size = parts[i].iov_len < left ? parts[i].iov_len : left;
        ssize_t took = write(file, parts[i].iov_base, size);
        if (took < 0) {
            return wrote > 0 ? (ssize_t)wrote : -1;
        }
        wrote += (size_t)took;
        if ((size_t)took < size) {
            break;
        }
    }
    return (ssize_t)wrote;
}

ssize_t writev(int file, const struct iovec *parts, int count)
{
    unsigned calls = normd_fault.writes++;
    if (normd_fault.interrupt && calls % 2 == 0) {
        return fails(EINTR) ? -1 : 0;
    }
    if (normd_fault.write != 0) {
        if (normd_fault.write_room == 0) {
            (void)fails(normd_fault.write);
            normd_fault.write = 0;
            return -1;
        }
        ssize_t wrote = write_some(file, parts, count, normd_fault.write_room);
        normd_fault.write_room -= wrote > 0 ? (size_t)wrote : 0;
        return wrote;
    }
    if (normd_fault.write_piece > 0) {
        return write_some(file, parts, count, normd_fault.write_piece);
    }
    return syscall(SYS_writev, file, parts, count);
}
