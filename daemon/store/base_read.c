// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/base_internal.h"

typedef struct totals {
    uint64_t rows, sum, bytes;
} totals;

static normd_status take_row(normd_base *base, const MDB_val *key, const MDB_val *row,
    const normd_store_reader *reader, totals *sums, normd_error *error)
{
    char text[NORMD_BASE_KEY_TEXT_BYTES + 16];
    const unsigned char *byte = key->mv_data;
    uint32_t crc;
    if (byte[0] > NORMD_STORE_TABLES) {
        return normd_base_damaged(base->path, error, "a row of an unknown table, %d", byte[0]);
    }
    if (!normd_base_kept_crc(row, &crc) ||
        crc != normd_base_row_crc(key, row->mv_data, row->mv_size - NORMD_BASE_CRC_BYTES)) {
        return normd_base_damaged(
            base->path, error, "wrong checksum of the row %s", normd_base_key_text(key, text));
    }
    sums->rows++;
    sums->sum += crc;
    sums->bytes += row->mv_size - NORMD_BASE_CRC_BYTES;
    if (reader == NULL || reader->row == NULL) {
        return NORMD_OK;
    }
    return reader->row(reader->context, (normd_store_table)(byte[0] - 1),
        (normd_store_bytes){byte + 1, key->mv_size - 1},
        (normd_store_bytes){row->mv_data, row->mv_size - NORMD_BASE_CRC_BYTES}, error);
}

static normd_status take_rows(normd_base *base, MDB_cursor *cursor,
    const normd_store_reader *reader, totals *sums, normd_error *error)
{
    MDB_val key, row;
    int code = mdb_cursor_get(cursor, &key, &row, MDB_FIRST);
    normd_status status = NORMD_OK;
    while (code == 0 && status == NORMD_OK) {
        const unsigned char *byte = key.mv_data;
        /* The row of our own stands before all tables; it was read when the file was opened. */
        if (key.mv_size > 0 && byte[0] > 0) {
            status = take_row(base, &key, &row, reader, sums, error);
        }
        /* More than there should be: a tree that leads back into itself would go on for ever. */
        if (status == NORMD_OK && sums->rows > base->facts.rows) {
            break;
        }
        code = mdb_cursor_get(cursor, &key, &row, MDB_NEXT);
    }
    if (status != NORMD_OK) {
        return status;
    }
    return code == 0 || code == MDB_NOTFOUND ? NORMD_OK
                                             : normd_base_failed(base, "reading", code, error);
}

static normd_status check_totals(const normd_base *base, const totals *sums, normd_error *error)
{
    if (sums->rows != base->facts.rows) {
        return normd_base_damaged(base->path, error, "%llu rows expected, %s%llu found",
            (unsigned long long)base->facts.rows, sums->rows > base->facts.rows ? "at least " : "",
            (unsigned long long)sums->rows);
    }
    if (sums->sum != base->facts.sum) {
        return normd_base_damaged(
            base->path, error, "the sum of all rows is wrong: some are older than the others");
    }
    return NORMD_OK;
}

normd_status normd_base_read(normd_base *base, const normd_store_reader *reader,
    normd_store_report *report, normd_error *error)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(base->env, NULL, MDB_RDONLY, &txn);
    if (code != 0) {
        return normd_base_failed(base, "reading", code, error);
    }
    MDB_cursor *cursor;
    totals sums = {0};
    normd_status status;
    code = mdb_cursor_open(txn, NORMD_BASE_TREE, &cursor);
    if (code != 0) {
        status = normd_base_failed(base, "reading", code, error);
    } else {
        status = take_rows(base, cursor, reader, &sums, error);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    if (status == NORMD_OK) {
        status = check_totals(base, &sums, error);
    }
    if (report != NULL) {
        report->rows = sums.rows;
        report->row_bytes = sums.bytes;
    }
    return status;
}
