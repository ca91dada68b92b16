// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_JOURNAL_WALK_H
#define NORMD_DAEMON_STORE_JOURNAL_WALK_H

#include "daemon/store/journal.h"
#include "daemon/store/journal_files.h"

/*
 * Reading the frames of one segment after another.
 */

typedef struct normd_journal_walk {
    /* Set by the caller once. */
    normd_status (*record)(void *context, normd_store_bytes record, normd_error *error);
    void *context;
    normd_store_report *report;
    uint64_t expected; /* number of the next record */

    /* Set by the caller, for each segment. */
    int file;
    normd_segment_name name;
    uint32_t seed;
    uint64_t limit; /* where its last frame ends */
    bool last;      /* it may end in a tail that was never whole */

    /* Bytes of the file from `at` on. */
    unsigned char *buffer;
    size_t room, filled;
    uint64_t at;
} normd_journal_walk;

/* Hands the segment's records over; *end: behind its last good frame, short of the limit when there
   is a tail to cut off. STORE_FAILED: damage; the file cannot be read. INTERNAL; what `record`
   answers. */
normd_status normd_journal_walk_segment(
    normd_journal_walk *walk, uint64_t *end, normd_error *error);

/* Frees the buffer. */
void normd_journal_walk_end(normd_journal_walk *walk);

/* STORE_FAILED with what was expected and what came at `offset`, and how to go on. */
normd_status normd_journal_damage(
    normd_error *error, const normd_segment_name *name, uint64_t offset, const char *what);

#endif
