// SPDX-License-Identifier: Apache-2.0
// The page by which a test steers the faults of a running program, and the environment that the
// library reads. tests/faults/control.py has the same layout.
#ifndef NORMD_TESTS_FAULTS_PRELOAD_CONTROL_H
#define NORMD_TESTS_FAULTS_PRELOAD_CONTROL_H

#include <stdint.h>

// The directory whose files are watched (absolute; it need not be there yet), the log that is
// appended to (none: nothing is recorded), and the control page (none: nothing is injected).
#define FAULTS_ENV_DIRECTORY "NORMD_FAULTS_DIRECTORY"
#define FAULTS_ENV_LOG "NORMD_FAULTS_LOG"
#define FAULTS_ENV_CONTROL "NORMD_FAULTS_CONTROL"

enum { FAULTS_RULES = 16, FAULTS_MATCH = 48, FAULTS_PAGE = 4096 };

// What a rule is about; bits.
enum faults_op {
    FAULTS_WRITE = 1, // write and its kin
    FAULTS_SYNC = 2,  // fsync, fdatasync, and what a write to an O_SYNC or O_DSYNC descriptor syncs
    FAULTS_SPACE = 4, // ftruncate, fallocate
    FAULTS_NAME = 8,  // creating, renaming and removing files and directories
};

// What it does to a call that it hits.
enum faults_action {
    FAULTS_FAIL = 1,  // nothing is done; the call fails with `error`
    FAULTS_SHORT = 2, // a write writes half of its bytes, at least one
    FAULTS_DELAY = 3, // the call waits before it begins
    FAULTS_FULL = 4,  // a disk with `room` bytes left: what grows beyond it is cut, then ENOSPC
};

// One rule. The test writes all but `seen` and `hits`, `active` last; the library counts `skip`,
// `count` and `room` down.
struct faults_rule {
    uint32_t active;
    uint32_t ops;    // of enum faults_op
    uint32_t action; // enum faults_action
    int32_t error;   // errno of FAULTS_FAIL
    uint64_t skip;   // so many calls are spared first
    uint64_t count;  // then so many are hit; UINT64_MAX: all
    uint64_t seed;   // of `chance`
    uint64_t chance; // a call is hit with the probability chance / 2^32
    uint64_t room;   // bytes left to FAULTS_FULL
    uint64_t delay;  // microseconds
    uint64_t seen;   // calls that the rule was about
    uint64_t hits;   // calls that it hit
    // Only files whose path below the directory has this in it; empty: all.
    char match[FAULTS_MATCH];
};

struct faults_control {
    struct faults_rule rules[FAULTS_RULES];
};

_Static_assert(sizeof(struct faults_rule) == 128, "the layout is control.py's");
_Static_assert(sizeof(struct faults_control) <= FAULTS_PAGE, "the rules fit one page");

#endif
