// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_JOURNAL_STATE_H
#define NORMD_DAEMON_STORE_JOURNAL_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "daemon/store/journal.h"
#include "daemon/store/journal_files.h"

/*
 * What the files of the journal share.
 */

typedef struct normd_journal_segment {
    uint64_t number;
    uint64_t end; /* behind its last frame */
} normd_journal_segment;

/* Ascending, without gaps. */
typedef struct normd_journal_segments {
    normd_journal_segment *item;
    size_t count, room;
} normd_journal_segments;

struct normd_journal {
    normd_journal_options options;
    uint64_t first; /* number of the first segment that may be made */
    pthread_mutex_t lock;
    pthread_cond_t wake;   /* the syncer: there is something to do, or stop */
    pthread_cond_t rested; /* a sync by the syncer has ended */
    pthread_t syncer;
    bool has_syncer;

    /* Under the lock. */
    normd_journal_segments segments; /* the last one takes records */
    int file;                        /* its descriptor, or -1 */
    uint32_t seed;
    bool broken;         /* a new segment must begin before anything is appended */
    bool suspect;        /* a sync of this segment failed: the disk may lack any of it */
    bool unsynced;       /* bytes were written that no sync was begun for */
    bool syncing;        /* the syncer is in fdatasync, without the lock */
    bool resting;        /* the syncer waits until there is something to do */
    bool stop;           /* the syncer ends */
    uint64_t record;     /* number of the last record */
    uint64_t synced;     /* records up to this number are on the disk */
    uint64_t synced_end; /* bytes of this segment up to there are */
    uint64_t marked;     /* `record` when the last marker was written, or none was due */
    uint64_t seen;       /* `record` at the last tick */

    _Atomic uint64_t bytes;
    _Atomic bool wants_checkpoint;

    /* Of the thread that appends: headers and pieces of one group. */
    unsigned char *headers;
    struct iovec *parts;
    uint32_t *sums;
    size_t headers_room, parts_room, sums_room;
};

normd_status normd_journal_segments_add(
    normd_journal_segments *segments, uint64_t number, uint64_t end, normd_error *error);

/* Reads what is there; `segments` and *last (number of the last record) tell what to go on from,
   and everything is on the disk (unless read_only). */
normd_status normd_journal_read(const normd_journal_options *options, uint64_t first,
    normd_status (*record)(void *context, normd_store_bytes record, normd_error *error),
    void *context, normd_store_report *report, normd_journal_segments *segments, uint64_t *last,
    normd_error *error);

void normd_journal_note(const normd_journal_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Under the lock: the segment that takes records. There is one. */
normd_journal_segment *normd_journal_current(normd_journal *journal);

/* Under the lock: goes on in a new segment, with all before it on the disk; a segment without
   frames is made anew under its number. STORE_FAILED: nothing may be appended until it succeeds,
   but when nothing was touched. */
normd_status normd_journal_begin_segment(normd_journal *journal, normd_error *error);

/* Under the lock: appends these bytes to the segment. 0, or errno: then the segment was taken back
   to where it ended, and is broken. Changes `parts`. */
int normd_journal_write(normd_journal *journal, struct iovec *parts, size_t count);

/* Under the lock: takes the segment back to where it ended, and breaks it. */
void normd_journal_take_back(normd_journal *journal);

/* Under the lock: remembers that a sync of all before `end` worked, when `record` was the last. */
void normd_journal_sync_worked(normd_journal *journal, uint64_t record, uint64_t end);

/* Under the lock: remembers that a sync failed, and notes it once a segment. */
void normd_journal_sync_failed(normd_journal *journal, int code);

/* Under the lock: writes a marker, when all records are on the disk. */
void normd_journal_mark(normd_journal *journal);

/* What the syncer does once a second while there is something to do: syncs (EVERYSEC), and marks an
   idle journal. */
void normd_journal_tick(normd_journal *journal);

/* Under the lock: whether a tick has anything to do. */
bool normd_journal_has_work(const normd_journal *journal);

/* Starts the thread, unless the mode is NO. INTERNAL. */
normd_status normd_journal_start_syncer(normd_journal *journal, normd_error *error);
void normd_journal_stop_syncer(normd_journal *journal);

#endif
