// SPDX-License-Identifier: Apache-2.0
// Which faults hit a call.
#ifndef NORMD_TESTS_FAULTS_PRELOAD_INJECT_H
#define NORMD_TESTS_FAULTS_PRELOAD_INJECT_H

#include <stddef.h>
#include <stdint.h>

#include "tests/faults/preload/control.h"

struct faults_verdict {
    int error;      // 0, or the errno that the call fails with
    size_t limit;   // a write may write so many bytes
    uint64_t delay; // microseconds to wait first
};

// Judges one call on `path`, a path below the directory, that writes `size` bytes and makes files
// larger by `growth` (1 for a new name), and takes it off the rules' counts. The lock is held; it
// is given up while the call is delayed.
struct faults_verdict faults_judge(enum faults_op op, const char *path, size_t size, size_t growth);

#endif
