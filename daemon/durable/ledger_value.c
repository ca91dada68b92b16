// SPDX-License-Identifier: Apache-2.0
/*
 * A client's value in the base. Little-endian, without gaps:
 *
 *   u32 version (1), u32 rows
 *   u64 dropped: the highest number that was applied and whose row is not kept
 *   of each row, in ascending order of the numbers:
 *     u64 seq, hash, session, step; u32 method, u32 result_size; the result
 */
#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/durable/ledger_state.h"
#include "protocol/once.h"

enum { VERSION = 1, HEAD_BYTES = 16, ROW_BYTES = 40 };

/* ---- Writing ---- */

static unsigned char *put32(unsigned char *at, uint64_t value)
{
    uint32_t little = htole32((uint32_t)value);
    memcpy(at, &little, sizeof little);
    return at + sizeof little;
}

static unsigned char *put64(unsigned char *at, uint64_t value)
{
    uint64_t little = htole64(value);
    memcpy(at, &little, sizeof little);
    return at + sizeof little;
}

static unsigned char *put_row(unsigned char *at, const normd_ledger_row *row)
{
    const normd_ledger_answer *answer = &row->answer;
    at = put64(at, row->seq);
    at = put64(at, answer->hash);
    at = put64(at, answer->session);
    at = put64(at, answer->step);
    at = put32(at, answer->method);
    at = put32(at, answer->result_size);
    if (answer->result_size > 0) {
        memcpy(at, answer->result, answer->result_size);
    }
    return at + answer->result_size;
}

/* The applied rows in ascending order; returns their number. */
static size_t list_rows(normd_ledger_client *client, const normd_ledger_row **rows, size_t *size)
{
    size_t count = 0;
    *size = HEAD_BYTES;
    uint64_t first =
        client->applied < NORMD_LEDGER_WINDOW ? 1 : client->applied - NORMD_LEDGER_WINDOW + 1;
    for (uint64_t seq = first; seq <= client->applied; seq++) {
        const normd_ledger_row *row = normd_ledger_client_row(client, seq);
        if (row != NULL && row->applied) {
            rows[count++] = row;
            *size += ROW_BYTES + row->answer.result_size;
        }
    }
    return count;
}

static normd_status encode(
    normd_ledger_client *client, void **bytes, size_t *size, normd_error *error)
{
    const normd_ledger_row *rows[NORMD_LEDGER_WINDOW];
    size_t count = list_rows(client, rows, size);
    unsigned char *at = malloc(*size);
    if (at == NULL) {
        *size = 0;
        return normd_error_no_memory(error);
    }
    *bytes = at;
    at = put32(at, VERSION);
    at = put32(at, count);
    at = put64(at, client->dropped);
    for (size_t i = 0; i < count; i++) {
        at = put_row(at, rows[i]);
    }
    return NORMD_OK;
}

normd_status normd_ledger_encode(normd_ledger *ledger, const char *client, size_t length,
    void **bytes, size_t *size, normd_error *error)
{
    normd_status status = NORMD_OK;
    *bytes = NULL;
    *size = 0;
    pthread_mutex_lock(&ledger->mutex);
    normd_ledger_client *found = normd_ledger_client_find(ledger, client, length);
    if (found != NULL && found->applied > 0) {
        status = encode(found, bytes, size, error);
    }
    pthread_mutex_unlock(&ledger->mutex);
    return status;
}

/* ---- Reading ---- */

typedef struct reader {
    const unsigned char *at;
    size_t left;
    normd_error *error;
} reader;

static uint32_t get32(reader *r)
{
    uint32_t little;
    memcpy(&little, r->at, sizeof little);
    r->at += sizeof little;
    r->left -= sizeof little;
    return le32toh(little);
}

static uint64_t get64(reader *r)
{
    uint64_t little;
    memcpy(&little, r->at, sizeof little);
    r->at += sizeof little;
    r->left -= sizeof little;
    return le64toh(little);
}

static normd_status too_short(const reader *r, size_t wanted)
{
    return normd_error_set(r->error, NORMD_BAD_ARGUMENT,
        "client: expected %zu bytes more of its rows, got %zu", wanted, r->left);
}

static normd_status read_head(reader *r, normd_ledger_client *client, uint32_t *rows)
{
    if (r->left < HEAD_BYTES) {
        return too_short(r, HEAD_BYTES);
    }
    uint32_t version = get32(r);
    if (version != VERSION) {
        return normd_error_set(r->error, NORMD_BAD_ARGUMENT,
            "client: expected rows of version %d, got %" PRIu32, VERSION, version);
    }
    *rows = get32(r);
    client->dropped = get64(r);
    if (*rows > NORMD_LEDGER_WINDOW || client->dropped > NORMD_ONCE_SEQ_MOST ||
        (*rows == 0 && client->dropped == 0)) {
        return normd_error_set(r->error, NORMD_BAD_ARGUMENT,
            "client: expected something applied, and at most %d rows, got %" PRIu32
            " rows behind %" PRIu64,
            NORMD_LEDGER_WINDOW, *rows, client->dropped);
    }
    client->applied = client->last = client->dropped;
    return NORMD_OK;
}

static normd_status read_row(reader *r, normd_ledger *ledger, normd_ledger_client *client)
{
    if (r->left < ROW_BYTES) {
        return too_short(r, ROW_BYTES);
    }
    uint64_t seq = get64(r);
    if (seq <= client->applied || seq > NORMD_ONCE_SEQ_MOST) {
        return normd_error_set(r->error, NORMD_BAD_ARGUMENT,
            "client: expected rows in ascending order, got %" PRIu64 " behind %" PRIu64, seq,
            client->applied);
    }
    normd_ledger_answer answer = {.hash = get64(r)};
    answer.session = get64(r);
    answer.step = get64(r);
    answer.method = get32(r);
    answer.result_size = get32(r);
    answer.result = r->at;
    if (r->left < answer.result_size) {
        return too_short(r, answer.result_size);
    }
    r->at += answer.result_size;
    r->left -= answer.result_size;
    normd_ledger_row *row = normd_ledger_row_create(ledger, client, seq);
    if (row == NULL) {
        return normd_error_no_memory(r->error);
    }
    normd_ledger_row **slot = normd_ledger_client_slot(client, seq);
    if (*slot != NULL) {
        normd_ledger_row_drop(ledger, row);
        return normd_error_set(r->error, NORMD_BAD_ARGUMENT,
            "client: expected rows of %d numbers in a row, got %" PRIu64 " behind %" PRIu64,
            NORMD_LEDGER_WINDOW, seq, (*slot)->seq);
    }
    *slot = row;
    client->applied = client->last = seq;
    return normd_ledger_row_keep(ledger, row, &answer) ? NORMD_OK : normd_error_no_memory(r->error);
}

/* No row may be below the window of the highest. */
static normd_status check_window(const reader *r, const normd_ledger_client *client)
{
    for (size_t i = 0; i < NORMD_LEDGER_WINDOW; i++) {
        const normd_ledger_row *row = client->rows[i];
        if (row != NULL && row->seq + NORMD_LEDGER_WINDOW <= client->applied) {
            return normd_error_set(r->error, NORMD_BAD_ARGUMENT,
                "client: expected rows of the newest %d numbers up to %" PRIu64 ", got %" PRIu64,
                NORMD_LEDGER_WINDOW, client->applied, row->seq);
        }
    }
    return NORMD_OK;
}

static normd_status decode(reader *r, normd_ledger *ledger, normd_ledger_client *client)
{
    uint32_t rows = 0;
    normd_status status = read_head(r, client, &rows);
    for (uint32_t i = 0; i < rows && status == NORMD_OK; i++) {
        status = read_row(r, ledger, client);
    }
    if (status == NORMD_OK && r->left > 0) {
        return normd_error_set(r->error, NORMD_BAD_ARGUMENT,
            "client: expected nothing behind its rows, got %zu bytes more", r->left);
    }
    return status == NORMD_OK ? check_window(r, client) : status;
}

normd_status normd_ledger_decode(normd_ledger *ledger, const char *client, size_t length,
    const void *bytes, size_t size, uint64_t now_seconds, normd_error *error)
{
    normd_status status = normd_ledger_check_name(length, error);
    if (status != NORMD_OK) {
        return status;
    }
    pthread_mutex_lock(&ledger->mutex);
    normd_ledger_client *made = NULL;
    if (normd_ledger_client_find(ledger, client, length) != NULL) {
        status = normd_error_set(
            error, NORMD_BAD_ARGUMENT, "client: expected its rows once, got them twice");
    } else {
        made = normd_ledger_client_add(ledger, client, length, now_seconds);
        reader r = {.at = bytes, .left = size, .error = error};
        status = made != NULL ? decode(&r, ledger, made) : normd_error_no_memory(error);
    }
    if (made != NULL && status == NORMD_OK) {
        made->stored = true;
        normd_ledger_trim(ledger);
    } else if (made != NULL) {
        normd_ledger_client_forget(ledger, made);
    }
    pthread_mutex_unlock(&ledger->mutex);
    return status;
}
