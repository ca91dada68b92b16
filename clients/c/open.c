// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <stdio.h>
#include <string.h>

#include "clients/c/clock.h"

static double seconds_of(uint64_t milliseconds)
{
    return (double)milliseconds * 1e-3;
}

static normd_client_status check(
    const char *address, const normd_client_options *options, normd_error *error)
{
    if (strlen(address) >= CLIENT_ADDRESS_BYTES) {
        return client_fail(error, NORMD_CLIENT_UNREACHABLE,
            "address: expected less than %d bytes, got %zu", CLIENT_ADDRESS_BYTES, strlen(address));
    }
    size_t length = options->client != NULL ? strlen(options->client) : 1;
    if (length < 1 || length > CLIENT_NAME_BYTES) {
        return client_fail(error, NORMD_CLIENT_FAILED,
            "client: expected a name of 1 to %d bytes, got %zu", CLIENT_NAME_BYTES, length);
    }
    return NORMD_CLIENT_OK;
}

/* Makes the first connection: in one attempt, or until the deadline. */
static normd_client_status dial_first(
    normd_client *client, const normd_client_options *options, normd_error *error)
{
    int64_t deadline = normd_clock_deadline(seconds_of(options->deadline_ms));
    int64_t attempt = normd_clock_deadline(seconds_of(options->timeout_ms));
    if (!options->wait) {
        return client_dial(
            client->address, attempt < deadline ? attempt : deadline, &client->socket, error);
    }
    normd_client_status status = NORMD_CLIENT_OK;
    while (client->socket < 0 && status == NORMD_CLIENT_OK) {
        status = client_advance(client, deadline, error);
    }
    return status == NORMD_CLIENT_TIMED_OUT ? NORMD_CLIENT_UNREACHABLE : status;
}

normd_client_status normd_client_open(const char *address, const normd_client_options *options,
    normd_client **client, normd_error *error)
{
    static const normd_client_options defaults = NORMD_CLIENT_OPTIONS_DEFAULT;
    options = options != NULL ? options : &defaults;
    normd_client_status status = check(address, options, error);
    if (status != NORMD_CLIENT_OK) {
        return status;
    }
    normd_client *made = normd_client_adopt(-1);
    if (made == NULL) {
        return client_fail(error, NORMD_CLIENT_FAILED, "out of memory");
    }
    made->retry = true;
    memcpy(made->address, address, strlen(address) + 1);
    made->timeout = seconds_of(options->deadline_ms);
    made->silence = seconds_of(options->timeout_ms);
    made->backoff_least = seconds_of(options->backoff_least_ms);
    made->backoff_most = seconds_of(options->backoff_most_ms);
    if (options->exactly_once) {
        made->counting = CLIENT_COUNTING_UNKNOWN;
        made->numbers.named = options->client != NULL;
        if (options->client != NULL) {
            snprintf(made->numbers.name, sizeof made->numbers.name, "%s", options->client);
        }
        client_numbers_renew(&made->numbers, 0);
    }
    status = dial_first(made, options, error);
    if (status != NORMD_CLIENT_OK) {
        normd_client_close(made);
        return status;
    }
    *client = made;
    return NORMD_CLIENT_OK;
}

const char *normd_client_name(const normd_client *client)
{
    return client->numbers.name;
}
