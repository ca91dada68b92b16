// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "clients/c/clock.h"

int64_t client_backoff(const normd_client *client, unsigned failures)
{
    double bound = client->backoff_least;
    for (unsigned k = 1; k < failures && bound < client->backoff_most; k++) {
        bound *= 2.0;
    }
    bound = bound < client->backoff_most ? bound : client->backoff_most;
    /* The kernel's source: processes that were forked from one must not wait in step. */
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        random = (uint32_t)normd_clock_now();
    }
    return normd_clock_now() + (int64_t)(bound * 1e9 * ((double)random / 0x1p32));
}

static uint64_t lowest_of(const client_queue *queue, uint64_t lowest)
{
    for (const client_request *request = queue->first; request != NULL; request = request->next) {
        if (request->number != 0 && (lowest == 0 || request->number < lowest)) {
            lowest = request->number;
        }
    }
    return lowest;
}

uint64_t client_lowest_unsettled(const normd_client *client)
{
    return lowest_of(&client->waiting, lowest_of(&client->in_flight, 0));
}

static void keep(normd_client *client, client_answer *answer)
{
    answer->next = NULL;
    *client->last = answer;
    client->last = &answer->next;
}

static void wait_again(normd_client *client, client_request *request)
{
    request->in_flight = request->whole = false;
    client_queue_put(&client->waiting, request);
}

static void give_back(normd_client *client, client_request *request)
{
    if (request->number != 0) {
        client_numbers_give_back(&client->numbers, request->number);
        request->number = 0;
    }
}

/* Lets go of the number: given back, unless the daemon may have used it. */
static void release_number(normd_client *client, client_request *request)
{
    if (request->number != 0 && request->uncertain) {
        client->doubt = true;
        request->number = 0;
    }
    give_back(client, request);
}

/* Whether a mutation that found a gap below it can go again when the gap is closed. The request is
   in no queue. */
static bool renumber(normd_client *client, client_request *request)
{
    uint64_t lowest = client_lowest_unsettled(client);
    bool lower_open = lowest != 0 && lowest < request->number;
    bool lower_free = client_numbers_next(&client->numbers) < request->number;
    if (!request->uncertain && (lower_free || lower_open)) {
        give_back(client, request);
        return true;
    }
    /* What may be under way under this number must not get another. */
    return lower_open && !lower_free;
}

/* Whether a refused request is to be sent again. */
static bool is_tried_again(normd_client *client, client_request *request, normd_status status)
{
    if (!client->retry || request->fields.head == NULL) {
        return false;
    }
    switch ((int)status) {
    case NORMD_SHUTTING_DOWN:
        client->leaving = true;
        return true;
    case NORMD_BUSY:
    case NORMD_STORE_FAILED:
        return true;
    case NORMD_SEQ_GAP:
        return request->number != 0 && renumber(client, request);
    default:
        return false;
    }
}

/* What a final refusal says of the mutation and of its number. */
static normd_client_applied settle_refused(
    normd_client *client, client_request *request, normd_status status)
{
    bool unknown = false;
    switch ((int)status) {
    case NORMD_SEQ_GAP:
    case NORMD_SEQ_TOO_OLD:
    case NORMD_UNKNOWN_CLIENT:
        unknown = request->uncertain;
        client->doubt = client->doubt || request->number != 0;
        break;
    case NORMD_CONTEXT_LOST:
    case NORMD_INTERNAL:
        /* To a retry this may say that only the answer is lost. */
        unknown = request->uncertain;
        release_number(client, request);
        break;
    case NORMD_SEQ_REUSED:
        client->doubt = client->doubt || request->number != 0;
        break;
    default:
        give_back(client, request);
        break;
    }
    return unknown ? NORMD_CLIENT_APPLIED_UNKNOWN : NORMD_CLIENT_APPLIED_NO;
}

void client_settle(normd_client *client, client_answer *answer)
{
    client_request *request = client_queue_find(&client->in_flight, answer->answer.id);
    if (request == NULL) {
        normd_client_answer_free(&answer->answer);
        return;
    }
    client_queue_take(&client->in_flight, request);
    client->failures = 0;
    client->allowance += client->allowance < SIZE_MAX ? 1 : 0;
    bool refused = answer->answer.refused;
    if (refused && is_tried_again(client, request, answer->answer.error.status)) {
        request->ready = client_backoff(client, ++request->refusals);
        snprintf(client->trouble, sizeof client->trouble, "%s %.200s",
            normd_status_name(answer->answer.error.status), answer->answer.error.message);
        wait_again(client, request);
        normd_client_answer_free(&answer->answer);
        return;
    }
    answer->answer.applied =
        refused ? settle_refused(client, request, answer->answer.error.status)
                : (request->mutation ? NORMD_CLIENT_APPLIED_YES : NORMD_CLIENT_APPLIED_NO);
    if (request->forgotten) {
        normd_client_answer_free(&answer->answer);
    } else {
        keep(client, answer);
    }
    client_request_free(client, request);
}

/* The request failed for good, because of how the connection ended. */
static void fail_request(normd_client *client, client_request *request)
{
    release_number(client, request);
    if (request->forgotten || !client->retry) {
        client_request_free(client, request);
        return;
    }
    request->in_flight = false;
    request->failure = NORMD_CLIENT_DISCONNECTED;
    snprintf(request->reason, sizeof request->reason, "%.200s%s", client->lost.message,
        request->uncertain ? "; the mutation may have been applied" : "");
    client_queue_put(&client->failed, request);
}

void client_settle_lost(normd_client *client, bool for_good)
{
    client->failures += client->leaving ? 0 : 1;
    client->leaving = false;
    client->allowance = 1;
    client->dial_at = client_backoff(client, client->failures);
    snprintf(client->trouble, sizeof client->trouble, "%.200s", client->lost.message);
    while (client->in_flight.first != NULL) {
        client_request *request = client->in_flight.first;
        client_queue_take(&client->in_flight, request);
        request->uncertain = request->uncertain || (request->mutation && request->whole);
        if (!client->retry || for_good || request->fields.head == NULL ||
            (request->uncertain && request->number == 0)) {
            fail_request(client, request);
        } else {
            wait_again(client, request);
        }
    }
}

void client_give_up(normd_client *client, client_request *request)
{
    request->forgotten = true;
    request->fields.head = NULL;
    if (request->in_flight && request->number != 0) {
        /* Its answer, which nobody waits for, tells what became of the number. */
        client->allowance += client->allowance < SIZE_MAX ? 1 : 0;
        return;
    }
    client_queue_take(request->in_flight ? &client->in_flight : &client->waiting, request);
    release_number(client, request);
    client_request_free(client, request);
}
