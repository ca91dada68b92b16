// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_C_CLIENT_H
#define NORMD_CLIENTS_C_CLIENT_H

/* The inside of the library; programs include normd_client.h. */

#include "clients/c/normd_client.h"
#include "protocol/assembler.h"
#include "protocol/limits.h"
#include "protocol/writer.h"

enum {
    CLIENT_MAX_SPLICES = 8,
    /* From here on an array goes out from the caller's memory: below, a copy is cheaper than one
       more element of a vectored write. */
    CLIENT_SPLICE_BYTES = 4096,
    /* The daemon remembers so many of a client's newest mutations. */
    CLIENT_WINDOW = 64,
    CLIENT_NAME_BYTES = 128,
    CLIENT_ADDRESS_BYTES = 320,
    CLIENT_REASON_BYTES = 256,
};

/* Bytes that are sent between two parts of the head. */
typedef struct client_splice {
    size_t at; /* offset in the head that they stand in front of */
    const void *data;
    size_t size;
} client_splice;

/* An answer with what it points into. */
typedef struct client_answer {
    normd_client_answer answer; /* first: the public pointer is also the pointer to this */
    struct client_answer *next;
    normd_message message;
    msgpack_zone zone;
    uint8_t head[];
} client_answer;

/* The fields of a request: bytes with splices between them. */
typedef struct client_fields {
    const char *method;
    uint32_t count;
    const char *head; /* NULL: whoever had them took them back */
    size_t head_size;
    const client_splice *splice;
    size_t splices;
} client_fields;

/* A request from its begin until its answer. */
typedef struct client_request {
    struct client_request *next;
    uint64_t order; /* of all of a client's requests; the id on the wire is its end */
    client_fields fields;
    bool mutation;
    bool sent;       /* at least once */
    bool in_flight;  /* on this connection */
    bool whole;      /* the kernel has all of it for this connection */
    bool uncertain;  /* a connection ended that had all of a mutation: it may have been applied */
    bool forgotten;  /* nobody wants the answer */
    uint64_t number; /* under which the daemon knows the mutation; 0: none */
    unsigned refusals;
    int64_t ready; /* when it may be sent again */
    /* Why it failed for good, once it is among the failed ones. */
    normd_client_status failure;
    char reason[CLIENT_REASON_BYTES];
    char owned[]; /* what `fields` points to, when it is a copy */
} client_request;

/* Requests by their order. */
typedef struct client_queue {
    client_request *first;
    client_request *last;
    size_t count;
} client_queue;

/* The numbers of a client's mutations: each is used once; one given back is used next. */
typedef struct client_numbers {
    char name[CLIENT_NAME_BYTES + 1];
    bool named; /* by the caller; else a name can be made anew */
    uint64_t highest;
    uint64_t unused[CLIENT_WINDOW]; /* below the highest */
    size_t unused_count;
} client_numbers;

typedef enum client_counting {
    CLIENT_COUNTING_UNKNOWN, /* the daemon was not asked yet whether it counts mutations */
    CLIENT_COUNTING_ON,
    CLIENT_COUNTING_OFF,
} client_counting;

struct normd_client {
    int socket;     /* -1: none */
    double timeout; /* of each call, in seconds */
    normd_limits limits;
    normd_assembler *assembler;
    normd_error lost; /* why the newest connection ended */

    /* A client that connects again by itself. */
    bool retry;
    char address[CLIENT_ADDRESS_BYTES];
    double silence; /* seconds; 0: no bound */
    double backoff_least, backoff_most;
    unsigned failures; /* of connections, in a row */
    /* How many requests may be in flight. On a connection that follows a lost one it grows with
       each answer: else connections that do not last would end before all was sent again. */
    size_t allowance;
    int64_t dial_at;
    bool leaving; /* the daemon is shutting down */
    client_counting counting;
    bool doubt; /* the daemon's count may differ from ours */
    client_numbers numbers;
    normd_client_applied applied; /* the newest call that failed */
    char trouble[CLIENT_REASON_BYTES];

    /* The request that is being written. */
    normd_write_buffer head;
    msgpack_packer packer;
    client_splice splice[CLIENT_MAX_SPLICES];
    client_fields begun;
    /* What stands before the fields: made anew for each sending. */
    normd_write_buffer prefix;
    msgpack_packer prefix_packer;

    uint64_t orders;
    client_queue waiting, in_flight, failed;
    client_request *sending;
    bool sending_ended; /* it is in no queue any more and must be freed */
    /* Answers that have arrived and that nobody has taken, oldest first. */
    client_answer *first, **last;
};

/* Fills `error` for everything that is no error of the daemon; returns `status`. */
normd_client_status client_fail(normd_error *error, normd_client_status status, const char *format,
    ...) __attribute__((format(printf, 3, 4)));
/* Ends the connection for the given reason and reports it. What was in flight waits to be sent
   again, or has failed. */
normd_client_status client_lose(normd_client *client, normd_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same because of what the daemon sent, which no other connection would mend. */
normd_client_status client_lose_for_good(normd_client *client, normd_error *error,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Waits until the socket is ready for one of `events`; OK, TIMED_OUT or DISCONNECTED. */
normd_client_status client_poll(
    normd_client *client, short events, int64_t deadline, short *ready, normd_error *error);
/* Makes the socket of the client's address. */
normd_client_status client_dial(
    const char *address, int64_t deadline, int *socket, normd_error *error);
/* Takes in what has arrived, without waiting. */
normd_client_status client_receive(normd_client *client, normd_error *error);

/* ---- Requests (request.c, queue.c) ---- */

/* A request of the given fields; `copy`: of all that they point to. NULL when out of memory. */
client_request *client_request_create(const client_fields *fields, bool copy);
/* Frees it, or has the one that is being sent freed behind that. */
void client_request_free(normd_client *client, client_request *request);
/* Puts a request where its order is. */
void client_queue_put(client_queue *queue, client_request *request);
/* Takes it out. */
void client_queue_take(client_queue *queue, client_request *request);
/* The request of this id; NULL when there is none. */
client_request *client_queue_find(const client_queue *queue, uint32_t id);
void client_queue_free(normd_client *client, client_queue *queue);

/* ---- Getting requests answered (exchange.c, send.c, settle.c, agree.c) ---- */

/* Does the next thing: connects, sends what waits, or waits for what comes. Once the deadline has
   passed TIMED_OUT; DISCONNECTED only from a client that does not retry. */
normd_client_status client_advance(normd_client *client, int64_t deadline, normd_error *error);
/* Sends a waiting request by the deadline; it is then in flight. */
normd_client_status client_send(
    normd_client *client, client_request *request, int64_t deadline, normd_error *error);
/* Gives a request its id, and goes on until it was sent once. */
normd_client_status client_start(normd_client *client, client_request *request, int64_t deadline,
    uint32_t *id, normd_error *error);
/* Goes on until the request was answered. */
normd_client_status client_finish(normd_client *client, uint32_t id, int64_t deadline,
    normd_client_answer **answer, normd_error *error);
/* An answer has come; it is kept, dropped, or the request waits to be sent again. */
void client_settle(normd_client *client, client_answer *answer);
/* The connection is gone: see client_lose. */
void client_settle_lost(normd_client *client, bool for_good);
/* Nobody waits for the request any more. */
void client_give_up(normd_client *client, client_request *request);
/* Before a mutation is started: asks once whether the daemon counts, clears up what is in doubt. */
normd_client_status client_agree(normd_client *client, int64_t deadline, normd_error *error);
/* The lowest number of a mutation that is not settled; 0: there is none. */
uint64_t client_lowest_unsettled(const normd_client *client);
/* A moment within the bound for so many failures in a row, from 1. */
int64_t client_backoff(const normd_client *client, unsigned failures);

/* ---- Numbers (numbers.c) ---- */

/* Begins behind `last`, under a new name when the caller gave none. */
void client_numbers_renew(client_numbers *numbers, uint64_t last);
/* The number that is taken next. */
uint64_t client_numbers_next(const client_numbers *numbers);
uint64_t client_numbers_take(client_numbers *numbers);
void client_numbers_give_back(client_numbers *numbers, uint64_t number);

extern const normd_payload_memory client_payload_memory;
/* Makes an answer of a message, whose payloads move. NULL with `error` when it is no response or
   when out of memory. */
client_answer *client_answer_create(normd_message *message, normd_error *error);
/* An answer that says why there is none. NULL when out of memory. */
client_answer *client_answer_of_failure(const client_request *request);

#endif
