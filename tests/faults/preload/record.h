// SPDX-License-Identifier: Apache-2.0
// The log of everything that a program does to the watched directory; power_cut.py reads it.
#ifndef NORMD_TESTS_FAULTS_PRELOAD_RECORD_H
#define NORMD_TESTS_FAULTS_PRELOAD_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { FAULTS_MAGIC = 0x6c746c66 };

enum faults_kind {
    FAULTS_OPEN = 1,    // value: the flags; the path
    FAULTS_WRITTEN,     // value: the offset; the bytes
    FAULTS_WRITTEN_DUE, // the same through an O_SYNC or O_DSYNC descriptor: these bytes are synced
    FAULTS_TRUNCATED,   // value: the new size
    FAULTS_EXTENDED,    // value: the size that fallocate made
    FAULTS_SYNC_BEGIN,  // value: the sync's number
    FAULTS_SYNC_END,    // value: the sync's number; what was written before its begin is safe
    FAULTS_SYNC_FAILED, // value: the sync's number
    FAULTS_RENAMED,     // the old path, a zero byte, the new path
    FAULTS_REMOVED,     // the path of a file
    FAULTS_MKDIR,       // the path
    FAULTS_RMDIR,       // the path
    FAULTS_LINKED,      // the old path, a zero byte, the new path
};

// What stands before a record's path and bytes.
struct faults_record {
    uint32_t magic;
    uint32_t kind;      // enum faults_kind
    uint64_t time;      // CLOCK_MONOTONIC, nanoseconds, when the call was done
    uint64_t handle;    // which open file, over all processes; 0: none
    uint64_t value;     // by kind
    uint32_t path_size; // without a zero byte
    uint32_t data_size;
};

_Static_assert(sizeof(struct faults_record) == 40, "the layout is power_cut.py's");

// Appends a record without bytes. The lock is held.
void faults_record_event(
    enum faults_kind kind, uint64_t handle, uint64_t value, const char *path, size_t path_size);

// Appends a write of the first `size` bytes of `parts`. The lock is held.
void faults_record_bytes(enum faults_kind kind, uint64_t handle, uint64_t offset,
    const struct iovec *parts, size_t size);

#endif
