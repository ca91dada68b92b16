// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/c/clock.h"

normd_client *normd_client_adopt(int socket)
{
    normd_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return NULL;
    }
    client->socket = socket;
    client->limits = NORMD_LIMITS_DEFAULT;
    /* Statistics of many layers come as many arrays: the middling ones stay in the head. */
    client->limits.payload_bytes = 1u << 16;
    client->limits.head_bytes = UINT64_C(1) << 26;
    client->last = &client->first;
    msgpack_sbuffer_init(&client->head.bytes);
    msgpack_packer_init(&client->packer, &client->head, normd_write_append);
    msgpack_sbuffer_init(&client->prefix.bytes);
    msgpack_packer_init(&client->prefix_packer, &client->prefix, normd_write_append);
    client->counting = CLIENT_COUNTING_OFF;
    client->allowance = SIZE_MAX;
    client->assembler = normd_assembler_create(&client->limits, &client_payload_memory);
    if (client->assembler == NULL) {
        free(client);
        return NULL;
    }
    return client;
}

void normd_client_close(normd_client *client)
{
    if (client == NULL) {
        return;
    }
    while (client->first != NULL) {
        client_answer *answer = client->first;
        client->first = answer->next;
        normd_client_answer_free(&answer->answer);
    }
    if (client->socket >= 0) {
        close(client->socket);
    }
    normd_assembler_destroy(client->assembler);
    msgpack_sbuffer_destroy(&client->head.bytes);
    msgpack_sbuffer_destroy(&client->prefix.bytes);
    client_queue_free(client, &client->waiting);
    client_queue_free(client, &client->in_flight);
    client_queue_free(client, &client->failed);
    free(client);
}

void normd_client_set_timeout(normd_client *client, double seconds)
{
    client->timeout = seconds;
}

bool normd_client_connected(const normd_client *client)
{
    return client->socket >= 0;
}

__attribute__((format(printf, 2, 0))) static void set_error(
    normd_error *error, const char *format, va_list arguments)
{
    if (error != NULL) {
        error->status = NORMD_INTERNAL;
        vsnprintf(error->message, sizeof error->message, format, arguments);
    }
}

normd_client_status client_fail(
    normd_error *error, normd_client_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_error(error, format, arguments);
    va_end(arguments);
    return status;
}

static void lose(normd_client *client, bool for_good, normd_error *error)
{
    if (client->socket >= 0) {
        close(client->socket);
        client->socket = -1;
    }
    client_settle_lost(client, for_good);
    if (error != NULL) {
        *error = client->lost;
    }
}

normd_client_status client_lose(normd_client *client, normd_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_error(&client->lost, format, arguments);
    va_end(arguments);
    lose(client, false, error);
    return NORMD_CLIENT_DISCONNECTED;
}

normd_client_status client_lose_for_good(
    normd_client *client, normd_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_error(&client->lost, format, arguments);
    va_end(arguments);
    lose(client, true, error);
    return NORMD_CLIENT_DISCONNECTED;
}

normd_client_status client_poll(
    normd_client *client, short events, int64_t deadline, short *ready, normd_error *error)
{
    for (;;) {
        if (client->socket < 0) {
            if (error != NULL) {
                *error = client->lost;
            }
            return NORMD_CLIENT_DISCONNECTED;
        }
        struct pollfd entry = {.fd = client->socket, .events = events};
        int timeout = normd_clock_poll_timeout(deadline);
        int count = poll(&entry, 1, timeout);
        if (count > 0) {
            *ready = entry.revents;
            return NORMD_CLIENT_OK;
        }
        if (count < 0 && errno != EINTR) {
            return client_lose(client, error, "poll: %s", strerror(errno));
        }
        if (deadline != INT64_MAX && normd_clock_now() >= deadline) {
            return client_fail(error, NORMD_CLIENT_TIMED_OUT, "no answer within the time allowed");
        }
    }
}
