// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_STORE_H
#define NORMD_DAEMON_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/*
 * A place that survives the process: a journal of records, each whole or not there, and a base of
 * rows that checkpoints write. What records and rows mean is the caller's (daemon/durable).
 *
 * One store is one directory, and one process has it (a lock). Calls come from one thread at a time
 * (the committer's), but for what is said otherwise. `open` in this process once only.
 */
typedef struct normd_store normd_store;

/* What a power cut may cost, in Redis' words: nothing that was answered, about a second of it, or
   what the kernel had not written yet. None of them damages the store. */
typedef enum normd_store_sync {
    NORMD_STORE_SYNC_ALWAYS,
    NORMD_STORE_SYNC_EVERYSEC,
    NORMD_STORE_SYNC_NO,
} normd_store_sync;

/* The tables of the base. */
typedef enum normd_store_table {
    NORMD_STORE_META,     /* facts of the whole store that the caller keeps */
    NORMD_STORE_SESSIONS, /* a row a session */
    NORMD_STORE_STATE,    /* chunks of their state */
    NORMD_STORE_CLIENTS,  /* a row a client */
    NORMD_STORE_TABLES
} normd_store_table;

enum { NORMD_STORE_KEY_BYTES = 256 };

typedef struct normd_store_bytes {
    const void *data;
    size_t size;
} normd_store_bytes;

/* A record: its pieces, one behind another, at least one byte in all. */
typedef struct normd_store_record {
    const normd_store_bytes *piece;
    size_t pieces;
} normd_store_record;

typedef struct normd_store_options {
    const char *directory; /* made when it is not there (mode 0700) */
    normd_store_sync sync;
    bool read_only; /* for a check: nothing is made, repaired or deleted; not even the lock file */
    /* Or NULL: told of what an operator should know (a cut tail, a failed sync); any thread. */
    void (*note)(void *context, const char *text);
    void *context;
} normd_store_options;

/* Opens and locks. STORE_FAILED: no directory and none can be made, in use by another process, not
   a store (files are there that are not ours), another format version, damage; the message says
   what is wrong with which file and how to go on. */
normd_status normd_store_open(
    const normd_store_options *options, normd_store **store, normd_error *error);
/* Syncs what is written (not read_only), gives up the lock. NULL is let pass. */
void normd_store_close(normd_store *store);

/* How often this store was opened for writing, this time counted; synced before open returns. */
uint64_t normd_store_epoch(const normd_store *store);

/* ---- Recovery: once, before anything is written ---- */

typedef struct normd_store_reader {
    void *context;
    /* Every row of the base, in the order of tables and keys. */
    normd_status (*row)(void *context, normd_store_table table, normd_store_bytes key,
        normd_store_bytes value, normd_error *error);
    /* Then every record of the journal from the segment that the last checkpoint named, in order.
       Its bytes are there during the call only. */
    normd_status (*record)(void *context, normd_store_bytes record, normd_error *error);
} normd_store_reader;

typedef struct normd_store_report {
    uint64_t rows, row_bytes;
    uint64_t records, record_bytes;
    uint64_t cut_bytes; /* of a tail that was never whole, and is cut off */
} normd_store_report;

/* Reads everything, checks every checksum. What the reader answers, other than OK, ends it.
   STORE_FAILED: damage, with the file, the place and how to go on. */
normd_status normd_store_read(normd_store *store, const normd_store_reader *reader,
    normd_store_report *report, normd_error *error);

/* ---- The journal ---- */

/* Writes the records as one group behind all others; with ALWAYS they are on the disk when it
   returns. STORE_FAILED (disk full, write or sync failed: the message names errno's text): none of
   them is in the journal, and the next append may succeed. */
normd_status normd_store_append(
    normd_store *store, const normd_store_record *record, size_t records, normd_error *error);

/* Bytes of the journal that a recovery would read. */
uint64_t normd_store_journal_bytes(const normd_store *store);

/* Whether a sync of appended records failed, so that a checkpoint must come soon: it writes to the
   base what the disk may not have. */
bool normd_store_wants_checkpoint(const normd_store *store);

/* ---- Checkpoints ---- */

/* Brings the journal to the disk, in every mode and beside appends, so that the next seal, which
   does that while appends wait, has little left. Any thread; not beside a seal or close. */
void normd_store_settle(normd_store *store);

/* Records go to a new segment from here on; *segment names it. A checkpoint of the state at this
   moment replaces all before it. STORE_FAILED. */
normd_status normd_store_seal(normd_store *store, uint64_t *segment, normd_error *error);

/* A transaction on the base. From begin to commit or abort it may run on a thread of its own,
   beside appends. One at a time. */
typedef struct normd_store_batch normd_store_batch;

normd_status normd_store_begin(normd_store *store, normd_store_batch **batch, normd_error *error);
/* Key at most NORMD_STORE_KEY_BYTES; the value's pieces one behind another (a few bytes to a few
   hundred KiB; a CRC32C is kept with it). After a failure only abort. STORE_FAILED (also: the map
   is full; it was grown for the next try). */
normd_status normd_store_put(normd_store_batch *batch, normd_store_table table,
    normd_store_bytes key, const normd_store_bytes *piece, size_t pieces, normd_error *error);
/* Deletes every row whose key begins with `prefix`; none is fine. */
normd_status normd_store_delete(normd_store_batch *batch, normd_store_table table,
    normd_store_bytes prefix, normd_error *error);
/* All of it at once, synced in every mode; recovery reads the journal from `segment` on now, and
   what lies before is removed. Frees the batch, also when it fails: then nothing changed. */
normd_status normd_store_commit(normd_store_batch *batch, uint64_t segment, normd_error *error);
void normd_store_abort(normd_store_batch *batch);

/* ---- Copies ---- */

/* A store of its own in saves/NAME with what the last checkpoint left, written aside, synced, then
   renamed. `path` gets where it lies. Name: 1 to 64 of A-Z a-z 0-9 . _ -, not beginning with a dot.
   BAD_ARGUMENT (name, or it is there already), STORE_FAILED. May run beside appends. */
normd_status normd_store_save(normd_store *store, const char *name, char *path, size_t path_size,
    uint64_t *bytes, normd_error *error);

#endif
