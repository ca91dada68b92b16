// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "daemon/store/base_internal.h"
#include "daemon/store/bytes.h"

/* LMDB's own limit is 4 GiB; a chunk of state is a few hundred KiB. */
static const size_t MOST_VALUE_BYTES = (size_t)1 << 30;

static normd_status begin(normd_base *base, normd_error *error)
{
    normd_status status = normd_base_renew(base, error);
    if (status != NORMD_OK) {
        return status;
    }
    int code = mdb_txn_begin(base->env, NULL, 0, &base->txn);
    if (code == 0) {
        MDB_dbi tree;
        code = mdb_dbi_open(base->txn, NULL, 0, &tree);
        if (code != 0) {
            mdb_txn_abort(base->txn);
        }
    }
    if (code != 0) {
        base->txn = NULL;
        base->spoiled = true;
        return normd_base_failed(base, "beginning a transaction", code, error);
    }
    base->full = false;
    base->next = base->facts;
    base->next.transaction = mdb_txn_id(base->txn);
    return NORMD_OK;
}

normd_status normd_base_begin(normd_base *base, normd_error *error)
{
    pthread_mutex_lock(&base->guard);
    normd_status status = begin(base, error);
    pthread_mutex_unlock(&base->guard);
    return status;
}

static normd_status write_failed(normd_base *base, int code, normd_error *error)
{
    if (code == MDB_MAP_FULL) {
        base->full = true;
        return normd_error_set(error, NORMD_STORE_FAILED,
            "%s: the map of %zu bytes is full; a larger one is tried next", base->path,
            base->map_bytes);
    }
    /* LMDB makes EIO of a write that came to its end early, as on a full disk. */
    return normd_base_failed(
        base, code == EIO ? "writing (a full disk, or one that fails)" : "writing", code, error);
}

static normd_status total_size(
    const normd_store_bytes *piece, size_t pieces, size_t *size, normd_error *error)
{
    *size = 0;
    for (size_t i = 0; i < pieces; i++) {
        if (piece[i].size > MOST_VALUE_BYTES - *size) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "value: expected at most %zu bytes, got more", MOST_VALUE_BYTES);
        }
        *size += piece[i].size;
    }
    return NORMD_OK;
}

/* Takes a row that goes out of the count and the sum. */
static normd_status uncount(
    normd_base *base, const MDB_val *key, const MDB_val *row, normd_error *error)
{
    uint32_t crc;
    if (!normd_base_kept_crc(row, &crc)) {
        char text[NORMD_BASE_KEY_TEXT_BYTES + 16];
        return normd_base_damaged(
            base->path, error, "no checksum in the row %s", normd_base_key_text(key, text));
    }
    base->next.rows--;
    base->next.sum -= crc;
    return NORMD_OK;
}

/* Straight into the page that LMDB gives, which is written once. */
static void fill(normd_base *base, const MDB_val *key, const MDB_val *room,
    const normd_store_bytes *piece, size_t pieces)
{
    unsigned char *at = room->mv_data;
    for (size_t i = 0; i < pieces; i++) {
        if (piece[i].size > 0) {
            memcpy(at, piece[i].data, piece[i].size);
            at += piece[i].size;
        }
    }
    uint32_t crc = normd_base_row_crc(key, room->mv_data, room->mv_size - NORMD_BASE_CRC_BYTES);
    normd_bytes_put_u32(at, crc);
    base->next.rows++;
    base->next.sum += crc;
}

normd_status normd_base_put(normd_base *base, normd_store_table table, normd_store_bytes key,
    const normd_store_bytes *piece, size_t pieces, normd_error *error)
{
    size_t size;
    normd_base_key made;
    normd_status status = total_size(piece, pieces, &size, error);
    if (status == NORMD_OK) {
        status = normd_base_key_make(&made, table, key, error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    MDB_val name = {made.size, made.bytes}, old;
    int code = mdb_get(base->txn, NORMD_BASE_TREE, &name, &old);
    if (code == 0) {
        status = uncount(base, &name, &old, error);
    } else if (code != MDB_NOTFOUND) {
        status = write_failed(base, code, error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    MDB_val room = {size + NORMD_BASE_CRC_BYTES, NULL};
    code = mdb_put(base->txn, NORMD_BASE_TREE, &name, &room, MDB_RESERVE);
    if (code != 0) {
        return write_failed(base, code, error);
    }
    fill(base, &name, &room, piece, pieces);
    return NORMD_OK;
}

/* Deletes the first row whose key begins with `prefix`; NOT_FOUND ends. */
static int delete_first(normd_base *base, MDB_cursor *cursor, const MDB_val *prefix,
    normd_status *status, normd_error *error)
{
    MDB_val key = *prefix, row;
    int code = mdb_cursor_get(cursor, &key, &row, MDB_SET_RANGE);
    if (code != 0) {
        return code;
    }
    if (key.mv_size < prefix->mv_size ||
        memcmp(key.mv_data, prefix->mv_data, prefix->mv_size) != 0) {
        return MDB_NOTFOUND;
    }
    *status = uncount(base, &key, &row, error);
    return *status == NORMD_OK ? mdb_cursor_del(cursor, 0) : MDB_NOTFOUND;
}

normd_status normd_base_delete(
    normd_base *base, normd_store_table table, normd_store_bytes prefix, normd_error *error)
{
    normd_base_key made;
    normd_status status = normd_base_key_make(&made, table, prefix, error);
    if (status != NORMD_OK) {
        return status;
    }
    MDB_cursor *cursor;
    int code = mdb_cursor_open(base->txn, NORMD_BASE_TREE, &cursor);
    if (code != 0) {
        return write_failed(base, code, error);
    }
    MDB_val name = {made.size, made.bytes};
    do {
        code = delete_first(base, cursor, &name, &status, error);
    } while (code == 0);
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? status : write_failed(base, code, error);
}

/* No transaction is open any more. */
static void grow_when_full(normd_base *base)
{
    if (base->full && base->map_bytes <= SIZE_MAX / 2) {
        base->map_bytes *= 2;
        base->spoiled = true;
    }
    base->full = false;
}

normd_status normd_base_commit(
    normd_base *base, uint64_t epoch, uint64_t first_segment, normd_error *error)
{
    base->next.epoch = epoch;
    base->next.first_segment = first_segment;
    int code = normd_base_facts_put(base->txn, &base->next);
    pthread_mutex_lock(&base->guard);
    if (code != 0) {
        mdb_txn_abort(base->txn);
    } else {
        code = mdb_txn_commit(base->txn);
        base->spoiled = code != 0;
    }
    base->txn = NULL;
    normd_status status = NORMD_OK;
    if (code == 0) {
        base->facts = base->next;
    } else {
        status = write_failed(base, code, error);
    }
    grow_when_full(base);
    pthread_mutex_unlock(&base->guard);
    return status;
}

void normd_base_abort(normd_base *base)
{
    pthread_mutex_lock(&base->guard);
    mdb_txn_abort(base->txn);
    base->txn = NULL;
    grow_when_full(base);
    pthread_mutex_unlock(&base->guard);
}
