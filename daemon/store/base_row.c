// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "daemon/store/base_internal.h"
#include "daemon/store/bytes.h"
#include "daemon/store/crc32c.h"

static const char *const TABLE_NAMES[NORMD_STORE_TABLES] = {"meta", "sessions", "state", "clients"};

static const unsigned char FACTS_KEY[1] = {0};
enum { FACTS_BYTES = 5 * 8, TEXT_KEY_BYTES = 64 };

normd_status normd_base_key_make(
    normd_base_key *made, normd_store_table table, normd_store_bytes key, normd_error *error)
{
    if (key.size > NORMD_STORE_KEY_BYTES) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT, "key: expected at most %d bytes, got %zu",
            NORMD_STORE_KEY_BYTES, key.size);
    }
    made->bytes[0] = (unsigned char)(1 + table);
    if (key.size > 0) {
        memcpy(made->bytes + 1, key.data, key.size);
    }
    made->size = 1 + key.size;
    return NORMD_OK;
}

const char *normd_base_key_text(
    const MDB_val *key, char text[static NORMD_BASE_KEY_TEXT_BYTES + 16])
{
    const unsigned char *byte = key->mv_data;
    const char *table = key->mv_size > 0 && byte[0] >= 1 && byte[0] <= NORMD_STORE_TABLES
                            ? TABLE_NAMES[byte[0] - 1]
                            : "unknown table";
    size_t used = (size_t)sprintf(text, "%s \"", table);
    for (size_t i = 1; i < key->mv_size && i <= TEXT_KEY_BYTES; i++) {
        bool plain = byte[i] >= 0x20 && byte[i] < 0x7f && byte[i] != '"' && byte[i] != '\\';
        used += (size_t)sprintf(text + used, plain ? "%c" : "\\x%02x", byte[i]);
    }
    strcpy(text + used, key->mv_size > 1 + TEXT_KEY_BYTES ? "...\"" : "\"");
    return text;
}

uint32_t normd_base_row_crc(const MDB_val *key, const void *value, size_t size)
{
    return normd_crc32c(normd_crc32c(0, key->mv_data, key->mv_size), value, size);
}

bool normd_base_kept_crc(const MDB_val *row, uint32_t *crc)
{
    if (row->mv_size < NORMD_BASE_CRC_BYTES) {
        return false;
    }
    *crc =
        normd_bytes_u32((const unsigned char *)row->mv_data + row->mv_size - NORMD_BASE_CRC_BYTES);
    return true;
}

/* The facts lie as five little-endian numbers in the order of the struct, then the CRC. */
bool normd_base_facts_read(const MDB_val *key, const MDB_val *row, normd_base_facts *facts)
{
    uint32_t crc;
    if (key->mv_size != sizeof FACTS_KEY ||
        memcmp(key->mv_data, FACTS_KEY, sizeof FACTS_KEY) != 0 ||
        row->mv_size != FACTS_BYTES + NORMD_BASE_CRC_BYTES || !normd_base_kept_crc(row, &crc) ||
        crc != normd_base_row_crc(key, row->mv_data, FACTS_BYTES)) {
        return false;
    }
    const unsigned char *at = row->mv_data;
    *facts = (normd_base_facts){
        .epoch = normd_bytes_u64(at),
        .first_segment = normd_bytes_u64(at + 8),
        .rows = normd_bytes_u64(at + 16),
        .sum = normd_bytes_u64(at + 24),
        .transaction = normd_bytes_u64(at + 32),
    };
    return true;
}

normd_status normd_base_facts_get(normd_base *base, MDB_txn *txn, normd_error *error)
{
    MDB_val key = {sizeof FACTS_KEY, (void *)(uintptr_t)FACTS_KEY}, row;
    int code = mdb_get(txn, NORMD_BASE_TREE, &key, &row);
    if (code == MDB_NOTFOUND) {
        return normd_base_damaged(base->path, error, "the row that counts all others is missing");
    }
    if (code != 0) {
        return normd_base_failed(base, "reading", code, error);
    }
    return normd_base_facts_read(&key, &row, &base->facts)
               ? NORMD_OK
               : normd_base_damaged(
                     base->path, error, "wrong checksum of the row that counts all others");
}

int normd_base_facts_put(MDB_txn *txn, const normd_base_facts *facts)
{
    unsigned char row[FACTS_BYTES + NORMD_BASE_CRC_BYTES];
    MDB_val key = {sizeof FACTS_KEY, (void *)(uintptr_t)FACTS_KEY}, value = {sizeof row, row};
    normd_bytes_put_u64(row, facts->epoch);
    normd_bytes_put_u64(row + 8, facts->first_segment);
    normd_bytes_put_u64(row + 16, facts->rows);
    normd_bytes_put_u64(row + 24, facts->sum);
    normd_bytes_put_u64(row + 32, facts->transaction);
    normd_bytes_put_u32(row + FACTS_BYTES, normd_base_row_crc(&key, row, FACTS_BYTES));
    return mdb_put(txn, NORMD_BASE_TREE, &key, &value, 0);
}
