// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/preload/record.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/faults/preload/state.h"

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// A log that misses something would prove what is not so: it ends the program instead.
static void append(const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        long done = syscall(SYS_write, faults.log, at, size);
        if (done < 0 && errno != EINTR) {
            abort();
        }
        if (done > 0) {
            at += done;
            size -= (size_t)done;
        }
    }
}

static struct faults_record record_of(enum faults_kind kind, uint64_t handle, uint64_t value)
{
    return (struct faults_record){
        .magic = FAULTS_MAGIC,
        .kind = kind,
        .time = now(),
        .handle = handle,
        .value = value,
    };
}

void faults_record_event(
    enum faults_kind kind, uint64_t handle, uint64_t value, const char *path, size_t path_size)
{
    if (faults.log < 0) {
        return;
    }
    int saved = errno;
    struct faults_record record = record_of(kind, handle, value);
    record.path_size = (uint32_t)path_size;
    append(&record, sizeof record);
    append(path, path_size);
    errno = saved;
}

void faults_record_bytes(
    enum faults_kind kind, uint64_t handle, uint64_t offset, const struct iovec *parts, size_t size)
{
    if (faults.log < 0) {
        return;
    }
    int saved = errno;
    struct faults_record record = record_of(kind, handle, offset);
    record.data_size = (uint32_t)size;
    append(&record, sizeof record);
    for (; size > 0; parts++) {
        size_t part = parts->iov_len < size ? parts->iov_len : size;
        append(parts->iov_base, part);
        size -= part;
    }
    errno = saved;
}
