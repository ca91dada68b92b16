// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_DAEMON_STORE_FAULTS_H
#define NORMD_TESTS_UNIT_DAEMON_STORE_FAULTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The calls by which the journal writes, in this program's own version: they fail when told to, and
 * count how often they came.
 */
typedef struct normd_faults {
    atomic_int sync;           /* errno of the next fdatasync; 0: it works */
    atomic_int truncate;       /* errno of every ftruncate until it is set to 0 */
    atomic_int write;          /* errno of the next writev that begins behind write_room */
    atomic_size_t write_room;  /* bytes that may still be written before that */
    atomic_size_t write_piece; /* 0, or what one writev takes at most */
    atomic_bool interrupt;     /* every other writev and fdatasync ends with EINTR */
    atomic_uint syncs, writes;
} normd_faults;

extern normd_faults normd_fault;

/* Nothing fails, nothing was counted. */
void normd_faults_clear(void);

#endif
