// SPDX-License-Identifier: Apache-2.0
// What the interposed calls share. They have nowhere to keep it but in globals: the program knows
// nothing of this library.
#ifndef NORMD_TESTS_FAULTS_PRELOAD_STATE_H
#define NORMD_TESTS_FAULTS_PRELOAD_STATE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/faults/preload/control.h"

#define FAULTS_EXPORT __attribute__((visibility("default")))

enum { FAULTS_DESCRIPTORS = 65536, FAULTS_PATH = 256 };

// An open file of the watched directory.
struct faults_file {
    _Atomic uint64_t handle; // 0: the descriptor is none of ours
    bool due;                // O_SYNC or O_DSYNC
    bool append;             // O_APPEND
    char path[FAULTS_PATH];  // below the directory, as it was opened; cut when longer
};

struct faults_state {
    // Held through every call but a sync, so that the log has the order in which things happened.
    pthread_mutex_t lock;
    bool ready;
    char root[PATH_MAX];
    size_t root_size;
    int log; // -1: none
    struct faults_control *control;
    uint64_t handles;
    uint64_t syncs;
    struct faults_file files[FAULTS_DESCRIPTORS];
};

extern struct faults_state faults;

void faults_lock(void);
void faults_unlock(void);

// The open file behind a descriptor; NULL when it is not watched.
struct faults_file *faults_file_of(int fd);

// Forgets a descriptor.
void faults_forget(int fd);

// The part of an absolute path below the directory ("" for the directory itself); NULL when it is
// elsewhere.
const char *faults_below(const char *path);

#endif
