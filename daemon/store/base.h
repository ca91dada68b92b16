// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_BASE_H
#define NORMD_DAEMON_STORE_BASE_H

#include "daemon/store/store.h"

/*
 * The rows of a store: one LMDB file, always committed synced, one tree. LMDB keeps no checksums,
 * so each row has one, and one row of our own counts and sums up all others.
 *
 * LMDB trusts its file: a damaged page can end the process. So `normd_base_open` first has a child
 * look through the file (base_verify.c). It forks: call it before there are threads that hold
 * locks.
 */
typedef struct normd_base normd_base;

/* What to do about damage; the end of such a message. */
#define NORMD_STORE_GO_ON                                                                          \
    "; go on with a copy made by save in place of the directory, or move the directory away to "   \
    "start empty"

typedef struct normd_base_options {
    const char *path; /* of data.mdb, absolute: it is opened again after a failed commit */
    bool read_only;
    int lock;         /* a descriptor that the child must not keep, above 2; 0: none */
    size_t map_bytes; /* 0: 64 GiB, or what the address space has room for */
} normd_base_options;

/* The row of our own. */
typedef struct normd_base_facts {
    uint64_t epoch;         /* how often the store was opened for writing */
    uint64_t first_segment; /* of the journal, that recovery begins with */
    uint64_t rows;          /* of all tables, this one not counted */
    uint64_t sum;           /* of their CRCs, modulo 2^64 */
    uint64_t
        transaction; /* of LMDB, that wrote this row: an older state cannot pass for the newest */
} normd_base_facts;

/* Makes a new base with no rows at a path where nothing is, synced. STORE_FAILED. */
normd_status normd_base_make(const char *path, normd_error *error);

/* Looks through the file in a child, then opens it. STORE_FAILED: missing, damaged, not an LMDB
   file or of another version of LMDB, no address space; the message names the file. */
normd_status normd_base_open(
    const normd_base_options *options, normd_base **base, normd_error *error);
void normd_base_close(normd_base *base); /* NULL is let pass */

/* As of the last commit. */
const normd_base_facts *normd_base_known(const normd_base *base);

/* Every row in order, each checksum checked, then the count and the sum. Either of `row` and
   `report` may be NULL. */
normd_status normd_base_read(normd_base *base, const normd_store_reader *reader,
    normd_store_report *report, normd_error *error);

/* A transaction, as in store.h; one at a time, any one thread at a time. */
normd_status normd_base_begin(normd_base *base, normd_error *error);
normd_status normd_base_put(normd_base *base, normd_store_table table, normd_store_bytes key,
    const normd_store_bytes *piece, size_t pieces, normd_error *error);
normd_status normd_base_delete(
    normd_base *base, normd_store_table table, normd_store_bytes prefix, normd_error *error);
/* Ends the transaction, also when it fails. `epoch` and `first_segment` go into the facts. */
normd_status normd_base_commit(
    normd_base *base, uint64_t epoch, uint64_t first_segment, normd_error *error);
void normd_base_abort(normd_base *base);

/* Writes what the last commit left to `path`, where nothing is, synced. Any thread, also beside a
   transaction (whose commit waits). STORE_FAILED: what was written is left there. */
normd_status normd_base_copy(normd_base *base, const char *path, normd_error *error);

#endif
