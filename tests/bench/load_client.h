// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_BENCH_LOAD_CLIENT_H
#define NORMD_TESTS_BENCH_LOAD_CLIENT_H

#include "clients/bench/address.h"
#include "clients/bench/answer_reader.h"
#include "tests/bench/load_plan.h"

/*
 * One connection with one request in flight. It takes its targets in turns: client k of n begins
 * with target k and goes on by n, modulo the number of targets.
 */
typedef struct normd_load_client {
    const normd_load_plan *plan;
    int fd;
    bool wants_write, waits; /* the socket was full; the answer has not come */
    size_t number, step_by;
    uint64_t target;
    size_t phase;
    uint64_t seq;  /* of the last mutation, with exactly-once */
    uint64_t step; /* what the backward says: of the last forward */
    size_t sent;   /* bytes of the request that have gone */
    uint8_t prefix[7];
    uint8_t middle[224]; /* the fields that change */
    size_t middle_size;
    int64_t started;
    normd_answer_reader reader;
    char refusal[NORMD_ANSWER_START_BYTES]; /* "" while nothing was refused */
} normd_load_client;

typedef enum normd_load_event {
    NORMD_LOAD_GOES_ON,
    NORMD_LOAD_ANSWERED, /* one phase of two */
    NORMD_LOAD_DONE,     /* all phases of a target */
    NORMD_LOAD_REFUSED,  /* `refusal` says why */
    NORMD_LOAD_LOST,     /* the connection ended, or what came is no answer */
} normd_load_event;

/* Client `number` of `count`; false with errno set when it cannot connect. */
bool normd_load_client_open(normd_load_client *client, const normd_load_plan *plan,
    const normd_address *address, size_t number, size_t count);
void normd_load_client_close(normd_load_client *client);

/* Makes the next request and sends what the socket takes. */
normd_load_event normd_load_client_start(normd_load_client *client, int64_t now);
/* Sends the rest. */
normd_load_event normd_load_client_flush(normd_load_client *client);
/* Reads once, into a buffer that is scratch. */
normd_load_event normd_load_client_read(normd_load_client *client, uint8_t *buffer, size_t size);

#endif
