// SPDX-License-Identifier: Apache-2.0
#include "daemon/durable/ledger.h"

#include <inttypes.h>
#include <stdlib.h>

#include "daemon/durable/ledger_state.h"

normd_ledger *normd_ledger_create(const normd_ledger_limits *limits, size_t next_offset)
{
    normd_ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&ledger->mutex, NULL) != 0) {
        free(ledger);
        return NULL;
    }
    ledger->limits = *limits;
    ledger->next_offset = next_offset;
    return ledger;
}

void normd_ledger_destroy(normd_ledger *ledger)
{
    if (ledger == NULL) {
        return;
    }
    normd_ledger_client *client;
    normd_ledger_client *next;
    HASH_ITER(hh, ledger->table, client, next)
    {
        normd_ledger_client_free(ledger, client);
    }
    pthread_mutex_destroy(&ledger->mutex);
    free(ledger);
}

/* ---- Admission ---- */

/* The longest unseen client that has nothing under way; NULL: there is none. */
static normd_ledger_client *longest_unseen(const normd_ledger *ledger)
{
    normd_ledger_client *client = ledger->oldest;
    while (client != NULL && client->under_way > 0) {
        client = client->next;
    }
    return client;
}

static normd_status make_room(normd_ledger *ledger, uint64_t now_seconds, normd_error *error)
{
    const normd_ledger_limits *limits = &ledger->limits;
    while (ledger->clients >= limits->clients) {
        normd_ledger_client *client = longest_unseen(ledger);
        if (client == NULL || now_seconds < client->seen ||
            now_seconds - client->seen < limits->forget_seconds) {
            return normd_error_set(error, NORMD_BUSY,
                "client: expected room for one more, got %zu clients that were seen within %" PRIu64
                " seconds or have mutations under way; --max-clients %zu may be raised",
                ledger->clients, limits->forget_seconds, limits->clients);
        }
        normd_ledger_client_forget(ledger, client);
    }
    return NORMD_OK;
}

static normd_status unknown(const char *name, size_t length, uint64_t seq, normd_error *error)
{
    return normd_error_set(error, NORMD_UNKNOWN_CLIENT,
        "seq: expected 1, as \"%.*s\" is no client that is known, got %" PRIu64, (int)length, name,
        seq);
}

/* The client that sends `seq`, seen now; a new one when it begins. */
static normd_status client_of(normd_ledger *ledger, const char *name, size_t length, uint64_t seq,
    uint64_t now_seconds, normd_ledger_client **client, normd_error *error)
{
    *client = normd_ledger_client_find(ledger, name, length);
    if (*client != NULL) {
        normd_ledger_client_touch(ledger, *client, now_seconds);
        return NORMD_OK;
    }
    if (seq != 1) {
        return unknown(name, length, seq, error);
    }
    normd_status status = make_room(ledger, now_seconds, error);
    if (status != NORMD_OK) {
        return status;
    }
    *client = normd_ledger_client_add(ledger, name, length, now_seconds);
    return *client != NULL ? NORMD_OK : normd_error_no_memory(error);
}

/* Whether a number that has no row may be applied now. */
static normd_status check(normd_ledger_client *client, uint64_t seq, normd_error *error)
{
    if (seq > client->last + 1) {
        return normd_error_set(error, NORMD_SEQ_GAP,
            "seq: expected at most %" PRIu64 ", the next of this client, got %" PRIu64,
            client->last + 1, seq);
    }
    if (normd_ledger_client_too_old(client, seq)) {
        return normd_error_set(error, NORMD_SEQ_TOO_OLD,
            "seq: expected one of the newest %d up to %" PRIu64 ", got %" PRIu64,
            NORMD_LEDGER_WINDOW, client->last, seq);
    }
    const normd_ledger_row *there = *normd_ledger_client_slot(client, seq);
    if (there != NULL && !there->applied) {
        return normd_error_set(error, NORMD_BUSY,
            "seq: expected no more than %d mutations at a time, of which %" PRIu64
            " is the oldest, got %" PRIu64,
            NORMD_LEDGER_WINDOW, there->seq, seq);
    }
    return NORMD_OK;
}

static struct normd_request **next_of(const normd_ledger *ledger, struct normd_request *request)
{
    return (struct normd_request **)(void *)((char *)request + ledger->next_offset);
}

static void wait_for(
    const normd_ledger *ledger, normd_ledger_row *row, struct normd_request *request)
{
    *next_of(ledger, request) = NULL;
    if (row->waiters == NULL) {
        row->waiters = request;
    } else {
        *next_of(ledger, row->last_waiter) = request;
    }
    row->last_waiter = request;
    row->references++;
}

/* A row for a number that was checked. */
static normd_status begin(normd_ledger *ledger, normd_ledger_client *client, uint64_t seq,
    normd_ledger_row **row, normd_error *error)
{
    *row = normd_ledger_row_create(ledger, client, seq);
    if (*row == NULL) {
        return normd_error_no_memory(error);
    }
    if (seq > client->last) {
        normd_ledger_client_slide(ledger, client, seq);
        client->last = seq;
    }
    *normd_ledger_client_slot(client, seq) = *row;
    (*row)->references++;
    client->under_way++;
    return NORMD_OK;
}

static bool is_idle(const normd_ledger_client *client)
{
    return client->applied == 0 && client->under_way == 0;
}

static normd_status admit(normd_ledger *ledger, normd_ledger_client *client, uint64_t seq,
    struct normd_request *request, normd_ledger_outcome *outcome, normd_ledger_row **row,
    normd_error *error)
{
    normd_ledger_row *there = normd_ledger_client_row(client, seq);
    *row = NULL;
    if (there == NULL) {
        *outcome = NORMD_LEDGER_APPLY;
        normd_status status = check(client, seq, error);
        return status == NORMD_OK ? begin(ledger, client, seq, row, error) : status;
    }
    if (!there->applied) {
        *outcome = NORMD_LEDGER_WAIT;
        wait_for(ledger, there, request);
        return NORMD_OK;
    }
    *outcome = NORMD_LEDGER_AGAIN;
    there->references++;
    *row = there;
    return NORMD_OK;
}

normd_status normd_ledger_admit(normd_ledger *ledger, const char *client, size_t length,
    uint64_t seq, uint64_t now_seconds, struct normd_request *request,
    normd_ledger_outcome *outcome, normd_ledger_row **row, normd_error *error)
{
    normd_ledger_client *found = NULL;
    *row = NULL;
    pthread_mutex_lock(&ledger->mutex);
    normd_status status = client_of(ledger, client, length, seq, now_seconds, &found, error);
    if (status == NORMD_OK) {
        status = admit(ledger, found, seq, request, outcome, row, error);
        if (status != NORMD_OK && is_idle(found)) {
            normd_ledger_client_forget(ledger, found);
        }
    }
    pthread_mutex_unlock(&ledger->mutex);
    return status;
}

/* ---- The end of what is under way ---- */

/* Takes the row out of its being under way. */
static struct normd_request *end(normd_ledger_row *row)
{
    struct normd_request *waiters = row->waiters;
    row->waiters = row->last_waiter = NULL;
    row->owner->under_way--;
    return waiters;
}

struct normd_request *normd_ledger_settle(
    normd_ledger *ledger, normd_ledger_row *row, const normd_ledger_answer *answer)
{
    pthread_mutex_lock(&ledger->mutex);
    normd_ledger_client *client = row->owner;
    struct normd_request *waiters = end(row);
    normd_ledger_row_keep(ledger, row, answer);
    if (row->seq > client->applied) {
        client->applied = row->seq;
    }
    client->changed = true;
    normd_ledger_row_drop(ledger, row);
    normd_ledger_trim(ledger);
    pthread_mutex_unlock(&ledger->mutex);
    return waiters;
}

struct normd_request *normd_ledger_fail(normd_ledger *ledger, normd_ledger_row *row)
{
    pthread_mutex_lock(&ledger->mutex);
    normd_ledger_client *client = row->owner;
    struct normd_request *waiters = end(row);
    *normd_ledger_client_slot(client, row->seq) = NULL;
    normd_ledger_client_settle_last(client);
    if (is_idle(client)) {
        normd_ledger_client_forget(ledger, client);
    }
    /* The waiters get no references: what they hold is given back with the window's and the
       caller's. */
    row->references = 1;
    normd_ledger_row_drop(ledger, row);
    pthread_mutex_unlock(&ledger->mutex);
    return waiters;
}

/* ---- Reading ---- */

const normd_ledger_answer *normd_ledger_row_answer(const normd_ledger_row *row)
{
    return &row->answer;
}

void normd_ledger_release(normd_ledger *ledger, normd_ledger_row *row)
{
    pthread_mutex_lock(&ledger->mutex);
    normd_ledger_row_drop(ledger, row);
    normd_ledger_trim(ledger);
    pthread_mutex_unlock(&ledger->mutex);
}

uint64_t normd_ledger_last(normd_ledger *ledger, const char *client, size_t length)
{
    pthread_mutex_lock(&ledger->mutex);
    const normd_ledger_client *found = normd_ledger_client_find(ledger, client, length);
    uint64_t last = found != NULL ? found->applied : 0;
    pthread_mutex_unlock(&ledger->mutex);
    return last;
}

void normd_ledger_count(normd_ledger *ledger, size_t *clients, size_t *bytes)
{
    pthread_mutex_lock(&ledger->mutex);
    *clients = ledger->clients;
    *bytes = ledger->bytes;
    pthread_mutex_unlock(&ledger->mutex);
}
