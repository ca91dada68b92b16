// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <string.h>

#include "clients/c/clock.h"

static client_answer *unlink_answer(normd_client *client, client_answer **link)
{
    client_answer *answer = *link;
    *link = answer->next;
    if (*link == NULL) {
        client->last = link;
    }
    return answer;
}

static client_answer *take_kept(normd_client *client, uint32_t id)
{
    for (client_answer **link = &client->first; *link != NULL; link = &(*link)->next) {
        if ((*link)->answer.id == id) {
            return unlink_answer(client, link);
        }
    }
    return NULL;
}

/* Takes a request that has failed for good; reports why. */
static normd_client_status take_failed(
    normd_client *client, client_request *request, normd_error *error)
{
    normd_client_status status = request->failure;
    client->applied = request->uncertain ? NORMD_CLIENT_APPLIED_UNKNOWN : NORMD_CLIENT_APPLIED_NO;
    client_fail(error, status, "%s", request->reason);
    client_queue_take(&client->failed, request);
    client_request_free(client, request);
    return status;
}

normd_client_status client_start(normd_client *client, client_request *request, int64_t deadline,
    uint32_t *id, normd_error *error)
{
    request->order = client->orders++;
    *id = (uint32_t)request->order;
    client_queue_put(&client->waiting, request);
    for (;;) {
        request = client_queue_find(&client->waiting, *id);
        if (request == NULL || request->sent) {
            return NORMD_CLIENT_OK;
        }
        normd_client_status status = client_advance(client, deadline, error);
        if (status != NORMD_CLIENT_OK) {
            return status;
        }
    }
}

normd_client_status client_finish(normd_client *client, uint32_t id, int64_t deadline,
    normd_client_answer **answer, normd_error *error)
{
    client_answer *found;
    while ((found = take_kept(client, id)) == NULL) {
        client_request *failed = client_queue_find(&client->failed, id);
        if (failed != NULL) {
            return take_failed(client, failed, error);
        }
        normd_client_status status = client_advance(client, deadline, error);
        if (status == NORMD_CLIENT_OK) {
            continue;
        }
        /* The answer may have come right before the end of the connection. */
        found = take_kept(client, id);
        if (found == NULL) {
            return status;
        }
        break;
    }
    client->applied = found->answer.applied;
    if (found->answer.refused) {
        if (error != NULL) {
            *error = found->answer.error;
        }
        normd_client_answer_free(&found->answer);
        return NORMD_CLIENT_REFUSED;
    }
    *answer = &found->answer;
    return NORMD_CLIENT_OK;
}

/* The request of this id, wherever it waits for its answer. */
static client_request *find_open(const normd_client *client, uint32_t id)
{
    client_request *request = client_queue_find(&client->in_flight, id);
    return request != NULL ? request : client_queue_find(&client->waiting, id);
}

/* What can be said of a mutation that nobody answered. */
static normd_client_applied applied_so_far(const client_request *request)
{
    bool may = request != NULL && request->mutation &&
               (request->uncertain || (request->in_flight && request->whole));
    return may ? NORMD_CLIENT_APPLIED_UNKNOWN : NORMD_CLIENT_APPLIED_NO;
}

/* Ends a call whose deadline has passed. */
static void expire(normd_client *client, uint32_t id, normd_error *error)
{
    client_request *request = find_open(client, id);
    if (request == NULL) {
        return;
    }
    client->applied = applied_so_far(request);
    bool unknown = client->applied == NORMD_CLIENT_APPLIED_UNKNOWN;
    bool mutation = request->mutation;
    client_give_up(client, request);
    if (client->retry) {
        client_fail(error, NORMD_CLIENT_TIMED_OUT, "no answer within %g s%s%.200s%s",
            client->timeout, client->trouble[0] != '\0' ? ": " : "", client->trouble,
            !mutation ? ""
            : unknown ? "; the mutation may have been applied"
                      : "; the mutation was not applied");
    }
}

/* Starts a request of what was begun; `copy`: for when the caller's memory is gone. */
static normd_client_status start_begun(
    normd_client *client, bool copy, int64_t deadline, uint32_t *id, normd_error *error)
{
    client->applied = NORMD_CLIENT_APPLIED_NO;
    client->trouble[0] = '\0';
    if (client->head.failed) {
        return client_fail(error, NORMD_CLIENT_FAILED, "out of memory");
    }
    client->begun.head = client->head.bytes.data != NULL ? client->head.bytes.data : "";
    client->begun.head_size = client->head.bytes.size;
    client_request *request = client_request_create(&client->begun, copy);
    if (request == NULL) {
        return client_fail(error, NORMD_CLIENT_FAILED, "out of memory");
    }
    normd_client_status status = NORMD_CLIENT_OK;
    if (request->mutation && client->counting != CLIENT_COUNTING_OFF) {
        status = client_agree(client, deadline, error);
    }
    if (status != NORMD_CLIENT_OK) {
        client_request_free(client, request);
        return status;
    }
    status = client_start(client, request, deadline, id, error);
    if (status == NORMD_CLIENT_TIMED_OUT) {
        expire(client, *id, error);
    } else if (status != NORMD_CLIENT_OK) {
        normd_client_forget(client, *id);
    }
    return status;
}

normd_client_status normd_client_submit(normd_client *client, uint32_t *id, normd_error *error)
{
    int64_t deadline = normd_clock_deadline(client->timeout);
    return start_begun(client, client->retry, deadline, id, error);
}

normd_client_status normd_client_call(
    normd_client *client, normd_client_answer **answer, normd_error *error)
{
    int64_t deadline = normd_clock_deadline(client->timeout);
    uint32_t id;
    normd_client_status status = start_begun(client, false, deadline, &id, error);
    if (status != NORMD_CLIENT_OK) {
        return status;
    }
    status = client_finish(client, id, deadline, answer, error);
    if (status == NORMD_CLIENT_TIMED_OUT) {
        expire(client, id, error);
    }
    return status;
}

normd_client_status normd_client_wait(
    normd_client *client, uint32_t id, normd_client_answer **answer, normd_error *error)
{
    int64_t deadline = normd_clock_deadline(client->timeout);
    normd_client_status status = client_finish(client, id, deadline, answer, error);
    if (status == NORMD_CLIENT_TIMED_OUT) {
        client->applied = applied_so_far(find_open(client, id));
    }
    return status;
}

static bool is_any_wanted(const client_queue *queue)
{
    const client_request *request = queue->first;
    while (request != NULL && request->forgotten) {
        request = request->next;
    }
    return request != NULL;
}

normd_client_status normd_client_next(
    normd_client *client, normd_client_answer **answer, normd_error *error)
{
    int64_t deadline = normd_clock_deadline(client->timeout);
    while (client->first == NULL && client->failed.first == NULL) {
        bool lost = client->socket < 0 && !client->retry;
        if (!lost && !is_any_wanted(&client->in_flight) && !is_any_wanted(&client->waiting)) {
            return client_fail(error, NORMD_CLIENT_FAILED, "no request is in flight");
        }
        normd_client_status status = client_advance(client, deadline, error);
        if (status != NORMD_CLIENT_OK && client->first == NULL && client->failed.first == NULL) {
            return status;
        }
    }
    client_answer *found;
    if (client->first != NULL) {
        found = unlink_answer(client, &client->first);
    } else {
        found = client_answer_of_failure(client->failed.first);
        if (found == NULL) {
            return client_fail(error, NORMD_CLIENT_FAILED, "out of memory");
        }
        take_failed(client, client->failed.first, NULL);
    }
    client->applied = found->answer.applied;
    *answer = &found->answer;
    return NORMD_CLIENT_OK;
}

void normd_client_forget(normd_client *client, uint32_t id)
{
    client_answer *answer = take_kept(client, id);
    if (answer != NULL) {
        normd_client_answer_free(&answer->answer);
    }
    client_request *request = client_queue_find(&client->failed, id);
    if (request != NULL) {
        take_failed(client, request, NULL);
    }
    request = find_open(client, id);
    if (request == NULL) {
        return;
    }
    if (client->retry && request->mutation && request->sent) {
        /* It was asked for and is seen through; only its answer is dropped. */
        request->forgotten = true;
    } else {
        client_give_up(client, request);
    }
}

size_t normd_client_in_flight(const normd_client *client)
{
    size_t count = 0;
    for (const client_answer *answer = client->first; answer != NULL; answer = answer->next) {
        count++;
    }
    const client_queue *const queues[] = {&client->in_flight, &client->waiting, &client->failed};
    for (size_t k = 0; k < sizeof queues / sizeof queues[0]; k++) {
        for (const client_request *r = queues[k]->first; r != NULL; r = r->next) {
            count += !r->forgotten;
        }
    }
    return count;
}

normd_client_applied normd_client_was_applied(const normd_client *client)
{
    return client->applied;
}
