// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_BASE_INTERNAL_H
#define NORMD_DAEMON_STORE_BASE_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>

#include "daemon/store/base.h"

/* Within base*.c only. */

enum {
    NORMD_BASE_CRC_BYTES = 4,
    NORMD_BASE_ROW_KEY_BYTES = 1 + NORMD_STORE_KEY_BYTES,
    NORMD_BASE_KEY_TEXT_BYTES = 4 * 64 + 4,
};

struct normd_base {
    char *path;
    bool read_only;
    size_t map_bytes;
    normd_base_facts facts; /* as of the last commit */
    /* Held while the environment is copied, commits or is opened again: without LMDB's own lock
       file, a writer does not know of readers and takes pages that they still read. */
    pthread_mutex_t guard;
    MDB_env *env;          /* NULL: it could not be opened again; the next use tries to */
    bool spoiled;          /* a commit failed: LMDB wants the environment opened anew */
    MDB_txn *txn;          /* the transaction that writes, or NULL */
    bool full;             /* it found no room in the map */
    normd_base_facts next; /* the facts as the transaction will leave them */
};

/* STORE_FAILED with LMDB's or errno's text. */
normd_status normd_base_failed(
    const normd_base *base, const char *doing, int code, normd_error *error);
/* STORE_FAILED: "PATH is damaged (...); how to go on". */
normd_status normd_base_damaged(const char *path, normd_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Opens the environment; reads the facts. With `map_bytes` 0 as for a new base. */
normd_status normd_base_environment(normd_base *base, normd_error *error);
/* Opens it again when it has to be. The caller holds the guard. */
normd_status normd_base_renew(normd_base *base, normd_error *error);

/* ---- base_row.c ---- */

/* A row's key in the tree: a byte for the table, then the caller's. */
typedef struct normd_base_key {
    size_t size;
    unsigned char bytes[NORMD_BASE_ROW_KEY_BYTES];
} normd_base_key;

/* BAD_ARGUMENT: too long. */
normd_status normd_base_key_make(
    normd_base_key *made, normd_store_table table, normd_store_bytes key, normd_error *error);
/* "sessions "mnist"": the table and the key as one reads them, cut when long. */
const char *normd_base_key_text(
    const MDB_val *key, char text[static NORMD_BASE_KEY_TEXT_BYTES + 16]);
uint32_t normd_base_row_crc(const MDB_val *key, const void *value, size_t size);
/* The CRC that is kept with a row, its last four bytes; false when it has less. */
bool normd_base_kept_crc(const MDB_val *row, uint32_t *crc);

/* The row of our own has the key 0, before all tables. */
normd_status normd_base_facts_get(normd_base *base, MDB_txn *txn, normd_error *error);
/* False: not this row, or not whole. */
bool normd_base_facts_read(const MDB_val *key, const MDB_val *row, normd_base_facts *facts);
int normd_base_facts_put(MDB_txn *txn, const normd_base_facts *facts);

/* The tree's handle; every transaction knows it. */
enum { NORMD_BASE_TREE = 1 };

/* ---- base_settle.c ---- */

/* Makes both first pages of a file that is not open name the newest state, and syncs them. Or
   errno's code. */
int normd_base_settle(const char *path);

/* ---- base_verify.c ---- */

/* Has a child look through the file, which closes `lock` first. STORE_FAILED, as normd_base_open.
 */
normd_status normd_base_verify(const char *path, int lock, normd_error *error);

#endif
