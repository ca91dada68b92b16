// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "clients/c/clock.h"

static int64_t earlier(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

static void sleep_until(int64_t moment)
{
    struct timespec until = {.tv_sec = moment / 1000000000, .tv_nsec = moment % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static normd_client_status dial(normd_client *client, int64_t deadline, normd_error *error)
{
    if (!client->retry) {
        if (error != NULL) {
            *error = client->lost;
        }
        return NORMD_CLIENT_DISCONNECTED;
    }
    if (normd_clock_now() >= deadline) {
        return client_fail(error, NORMD_CLIENT_TIMED_OUT, "%s", client->trouble);
    }
    if (normd_clock_now() < client->dial_at) {
        sleep_until(earlier(client->dial_at, deadline));
        return NORMD_CLIENT_OK;
    }
    normd_error reason;
    int64_t limit = earlier(deadline, normd_clock_deadline(client->silence));
    int fd;
    if (client_dial(client->address, limit, &fd, &reason) != NORMD_CLIENT_OK) {
        return client_lose(client, error, "%s", reason.message);
    }
    /* Bytes of half a message of the last connection are no beginning of this one's. */
    normd_assembler *fresh = normd_assembler_create(&client->limits, &client_payload_memory);
    if (fresh == NULL) {
        close(fd);
        return client_fail(error, NORMD_CLIENT_FAILED, "out of memory");
    }
    normd_assembler_destroy(client->assembler);
    client->assembler = fresh;
    client->socket = fd;
    return NORMD_CLIENT_OK;
}

static bool is_numbered_in_flight(const normd_client *client)
{
    const client_request *request = client->in_flight.first;
    while (request != NULL && request->number == 0) {
        request = request->next;
    }
    return request != NULL;
}

/* Whether a mutation, the first that waits, may be sent now. */
static bool may_go(const normd_client *client, const client_request *request)
{
    if (client->counting != CLIENT_COUNTING_ON || request->number != 0) {
        return true;
    }
    if ((client->numbers.unused_count > 0 || client->doubt) && is_numbered_in_flight(client)) {
        /* Those in flight may be refused for the hole below them; they keep their place. */
        return false;
    }
    uint64_t lowest = client_lowest_unsettled(client);
    return lowest == 0 || client_numbers_next(&client->numbers) < lowest + CLIENT_WINDOW;
}

/* The request to send now; NULL when none is, and then *due is when one will be. */
static client_request *next_to_send(const normd_client *client, int64_t *due)
{
    if (client->in_flight.count >= client->allowance) {
        return NULL;
    }
    bool blocked = false;
    int64_t now = client->waiting.first != NULL ? normd_clock_now() : 0;
    for (client_request *request = client->waiting.first; request != NULL;
         request = request->next) {
        if (request->ready > now) {
            *due = earlier(*due, request->ready);
            blocked = blocked || request->mutation;
        } else if (!request->mutation || (!blocked && may_go(client, request))) {
            return request;
        } else {
            blocked = true;
        }
    }
    return NULL;
}

static normd_client_status wait_for_answer(
    normd_client *client, int64_t due, int64_t deadline, normd_error *error)
{
    int64_t silent = INT64_MAX;
    if (client->retry && client->in_flight.first != NULL) {
        silent = normd_clock_deadline(client->silence);
    }
    int64_t until = earlier(earlier(due, silent), deadline);
    short ready = 0;
    normd_client_status status = client_poll(client, POLLIN, until, &ready, error);
    if (status == NORMD_CLIENT_OK) {
        return client_receive(client, error);
    }
    if (status != NORMD_CLIENT_TIMED_OUT || until == deadline) {
        return status;
    }
    if (until == silent) {
        return client_lose(client, error, "the daemon was silent for %g s", client->silence);
    }
    return NORMD_CLIENT_OK;
}

static normd_client_status step(normd_client *client, int64_t deadline, normd_error *error)
{
    if (client->leaving && client->in_flight.first == NULL) {
        return client_lose(client, error, "the daemon is shutting down");
    }
    if (client->socket < 0) {
        return dial(client, deadline, error);
    }
    int64_t due = INT64_MAX;
    client_request *request = next_to_send(client, &due);
    if (request != NULL) {
        return client_send(client, request, deadline, error);
    }
    return wait_for_answer(client, due, deadline, error);
}

normd_client_status client_advance(normd_client *client, int64_t deadline, normd_error *error)
{
    normd_client_status status = step(client, deadline, error);
    return status == NORMD_CLIENT_DISCONNECTED && client->retry ? NORMD_CLIENT_OK : status;
}
