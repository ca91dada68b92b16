// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>

#include "daemon/durable/ledger_state.h"
#include "protocol/once.h"

/* ---- Recovery ---- */

normd_status normd_ledger_check_name(size_t length, normd_error *error)
{
    if (length >= 1 && length <= NORMD_LEDGER_CLIENT_BYTES) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "client: expected a name of 1 to %d bytes, got %zu", NORMD_LEDGER_CLIENT_BYTES, length);
}

normd_status normd_ledger_check_seq(uint64_t seq, normd_error *error)
{
    if (seq >= 1 && seq <= NORMD_ONCE_SEQ_MOST) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "seq: expected a number from 1 to %" PRIu64 ", got %" PRIu64, NORMD_ONCE_SEQ_MOST, seq);
}

static bool same_answer(const normd_ledger_answer *a, const normd_ledger_answer *b)
{
    return a->hash == b->hash && a->method == b->method && a->session == b->session &&
           a->step == b->step && a->result_size == b->result_size &&
           (a->result_size == 0 || memcmp(a->result, b->result, a->result_size) == 0);
}

/* Whether a record says that its client began anew. A number is applied once in a client's life, so
   another record of seq 1 belongs to another one, be it that the answer is not kept any more; and
   where the row is not kept any more, all that followed it in this life follows in the journal,
   too. */
static bool begins_anew(
    normd_ledger_client *client, uint64_t seq, const normd_ledger_answer *answer)
{
    if (seq != 1) {
        return false;
    }
    const normd_ledger_row *there = normd_ledger_client_row(client, seq);
    return there != NULL ? !same_answer(&there->answer, answer) : client->dropped >= seq;
}

static void clear(normd_ledger *ledger, normd_ledger_client *client)
{
    for (size_t i = 0; i < NORMD_LEDGER_WINDOW; i++) {
        normd_ledger_row_leave(ledger, client->rows[i]);
        client->rows[i] = NULL;
    }
    client->applied = client->last = client->dropped = 0;
}

/* An applied row for a number that has none and is not too old. INTERNAL: out of memory; the client
   is then as it was. */
static normd_status put_row(normd_ledger *ledger, normd_ledger_client *client, uint64_t seq,
    const normd_ledger_answer *answer, normd_error *error)
{
    normd_ledger_row *row = normd_ledger_row_create(ledger, client, seq);
    if (row == NULL) {
        return normd_error_no_memory(error);
    }
    if (!normd_ledger_row_keep(ledger, row, answer)) {
        normd_ledger_row_drop(ledger, row);
        return normd_error_no_memory(error);
    }
    normd_ledger_client_slide(ledger, client, seq);
    *normd_ledger_client_slot(client, seq) = row;
    if (seq > client->applied) {
        client->applied = client->last = seq;
    }
    normd_ledger_trim(ledger);
    return NORMD_OK;
}

static normd_status restore(normd_ledger *ledger, normd_ledger_client *client, uint64_t seq,
    const normd_ledger_answer *answer, normd_error *error)
{
    if (begins_anew(client, seq, answer)) {
        clear(ledger, client);
    }
    client->changed = true;
    if (normd_ledger_client_too_old(client, seq) || normd_ledger_client_row(client, seq) != NULL) {
        return NORMD_OK;
    }
    return put_row(ledger, client, seq, answer, error);
}

normd_status normd_ledger_restore(normd_ledger *ledger, const char *client, size_t length,
    uint64_t seq, uint64_t now_seconds, const normd_ledger_answer *answer, normd_error *error)
{
    normd_status status = normd_ledger_check_name(length, error);
    if (status == NORMD_OK) {
        status = normd_ledger_check_seq(seq, error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    pthread_mutex_lock(&ledger->mutex);
    normd_ledger_client *found = normd_ledger_client_find(ledger, client, length);
    if (found == NULL) {
        found = normd_ledger_client_add(ledger, client, length, now_seconds);
    }
    status =
        found != NULL ? restore(ledger, found, seq, answer, error) : normd_error_no_memory(error);
    pthread_mutex_unlock(&ledger->mutex);
    return status;
}

normd_status normd_ledger_each(normd_ledger *ledger,
    normd_status (*visit)(void *context, const char *client, size_t length, uint64_t seq,
        const normd_ledger_answer *answer, normd_error *error),
    void *context, normd_error *error)
{
    normd_status status = NORMD_OK;
    pthread_mutex_lock(&ledger->mutex);
    for (normd_ledger_client *client = ledger->table; client != NULL && status == NORMD_OK;
         client = client->hh.next) {
        for (size_t i = 0; i < NORMD_LEDGER_WINDOW && status == NORMD_OK; i++) {
            const normd_ledger_row *row = client->rows[i];
            if (row != NULL && row->applied) {
                status = visit(
                    context, client->name, client->name_length, row->seq, &row->answer, error);
            }
        }
    }
    pthread_mutex_unlock(&ledger->mutex);
    return status;
}

/* ---- Checkpoints ---- */

/* The last checkpoint succeeded: its values are in the base, and what was deleted is not. */
static void end_taken(normd_ledger *ledger)
{
    while (ledger->taken != NULL) {
        normd_ledger_client *client = ledger->taken;
        ledger->taken = client->next_taken;
        client->taken = false;
        if (client->gone && !client->changed) {
            normd_ledger_client_free(ledger, client);
        }
    }
}

/* Lists what has changed. A client that is listed counts as stored, so that its struct stays. */
static normd_ledger_client *take(normd_ledger *ledger)
{
    pthread_mutex_lock(&ledger->mutex);
    end_taken(ledger);
    normd_ledger_client *client;
    normd_ledger_client *next;
    HASH_ITER(hh, ledger->table, client, next)
    {
        if (client->changed) {
            client->changed = false;
            client->taken = true;
            client->stored = true;
            client->next_taken = ledger->taken;
            ledger->taken = client;
        }
    }
    pthread_mutex_unlock(&ledger->mutex);
    return ledger->taken;
}

normd_status normd_ledger_take_changes(normd_ledger *ledger,
    normd_status (*visit)(void *context, const char *client, size_t length, normd_error *error),
    void *context, normd_error *error)
{
    normd_status status = NORMD_OK;
    const normd_ledger_client *client = take(ledger);
    while (client != NULL && status == NORMD_OK) {
        status = visit(context, client->name, client->name_length, error);
        client = client->next_taken;
    }
    return status;
}

void normd_ledger_keep_changes(normd_ledger *ledger)
{
    pthread_mutex_lock(&ledger->mutex);
    while (ledger->taken != NULL) {
        normd_ledger_client *client = ledger->taken;
        ledger->taken = client->next_taken;
        client->taken = false;
        client->changed = true;
    }
    pthread_mutex_unlock(&ledger->mutex);
}
