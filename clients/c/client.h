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

struct normd_client {
    int socket; /* -1 once lost */
    double timeout;
    normd_limits limits;
    normd_assembler *assembler;
    normd_error lost; /* why */

    /* The request that is being written. */
    normd_write_buffer head;
    msgpack_packer packer;
    client_splice splice[CLIENT_MAX_SPLICES];
    size_t splices;
    uint32_t next_id;

    /* Ids of the requests that were sent and whose answers have not arrived. */
    uint32_t *expected;
    size_t expected_count, expected_capacity;
    /* Answers that have arrived and that nobody has taken, oldest first. */
    client_answer *first, **last;
    size_t kept;
};

/* Fills `error` for everything that is no error of the daemon; returns `status`. */
normd_client_status client_fail(normd_error *error, normd_client_status status, const char *format,
    ...) __attribute__((format(printf, 3, 4)));
/* Ends the connection for the given reason and reports it. */
normd_client_status client_lose(normd_client *client, normd_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Waits until the socket is ready for one of `events`; OK, TIMED_OUT or DISCONNECTED. */
normd_client_status client_poll(
    normd_client *client, short events, int64_t deadline, short *ready, normd_error *error);
/* Takes in what has arrived, without waiting. */
normd_client_status client_receive(normd_client *client, normd_error *error);
/* Sends the begun request by the deadline; its id is then expected. */
normd_client_status client_send(
    normd_client *client, int64_t deadline, uint32_t *id, normd_error *error);

extern const normd_payload_memory client_payload_memory;
/* Makes an answer of a message, whose payloads move. NULL with `error` when it is no response or
   when out of memory. */
client_answer *client_answer_create(normd_message *message, normd_error *error);

#endif
