// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_BENCH_CONNECTION_H
#define NORMD_CLIENTS_BENCH_CONNECTION_H

#include "clients/bench/address.h"
#include "clients/bench/histogram.h"
#include "clients/bench/workload.h"

/* What the connections of one thread have seen. */
typedef struct normd_tally {
    uint64_t answers, refused, wrong, lost, cuts;
    uint64_t bytes_sent, bytes_received;
    normd_histogram latency;                      /* nanoseconds */
    char first_refusal[NORMD_ANSWER_START_BYTES]; /* "" while there was none */
} normd_tally;

/* A request in flight, or a free place for one. The id of a request holds the index of its slot
   in the low bits and its turn above, so that an answer to an older request is noticed. */
typedef struct normd_slot {
    uint32_t id;
    bool busy;
    int64_t started; /* when it was sent, or should have been */
    uint8_t prefix[NORMD_REQUEST_PREFIX_BYTES];
} normd_slot;

/* One connection: `depth` slots, those still to be sent in a queue. */
typedef struct normd_connection {
    int fd; /* -1 while it is closed */
    const normd_request_template *template;
    normd_answer_reader reader;
    size_t depth, mask; /* slots; low bits of an id that are the slot's index */
    normd_slot *slot;
    uint32_t *free; /* indices of free slots */
    size_t free_count;
    uint32_t *queue; /* indices of slots to send, a ring */
    size_t queue_begin, queue_count;
    size_t sent_of_first; /* bytes of the first of the queue that have gone */
    bool wants_write;     /* the socket was full */

    /* Of a connection that is to be cut (churn): */
    bool rude;
    uint64_t cut_after; /* bytes to send before the cut */
    bool cut_hard;      /* by a reset */
    bool cut_reading;   /* not at once, but inside an answer */
    int64_t reopen_at;
} normd_connection;

bool normd_connection_create(
    normd_connection *connection, const normd_request_template *template, size_t depth);
void normd_connection_destroy(normd_connection *connection);

/* Opens (again): all slots become free. False with errno set. */
bool normd_connection_open(normd_connection *connection, const normd_address *address);
void normd_connection_close(normd_connection *connection);

/* Puts a request into a free slot and into the queue. There must be a free slot. */
void normd_connection_queue(normd_connection *connection, int64_t started);
size_t normd_connection_in_flight(const normd_connection *connection);

typedef enum normd_connection_state {
    NORMD_CONNECTION_GOES_ON,
    NORMD_CONNECTION_LOST, /* ended by the daemon, or by a wrong byte */
    NORMD_CONNECTION_CUT,  /* a rude one has sent all that it wanted to send */
} normd_connection_state;

/* Sends what is queued, as far as the socket takes it. */
normd_connection_state normd_connection_flush(normd_connection *connection, normd_tally *tally);
/* Reads once into `buffer` and takes the answers in; each frees its slot. */
normd_connection_state normd_connection_read(
    normd_connection *connection, uint8_t *buffer, size_t size, normd_tally *tally);

#endif
