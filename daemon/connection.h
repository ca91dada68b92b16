// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_CONNECTION_H
#define NORMD_DAEMON_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/out_queue.h"
#include "daemon/transport.h"
#include "protocol/call.h"

struct normd_request;
struct normd_server;

/*
 * One peer. Reads messages and hands them to dispatch, and sends answers in the order in which they
 * are done. When too many requests are in flight or too many bytes wait to be read by the peer, it
 * stops reading until there are fewer; and so it does when it has read more than is done in one
 * turn, until the others had theirs. Loop thread only.
 *
 * It stays until its transport is closed and its last request is done; answers to a peer that has
 * gone are dropped.
 */
typedef struct normd_connection {
    struct normd_server *server;
    struct normd_connection *previous, *next;                 /* of the server's list */
    struct normd_connection *next_touched;                    /* of those with new answers */
    struct normd_connection *previous_turn, *next_turn;       /* of those that wait for one */
    struct normd_connection *previous_watched, *next_watched; /* of those inside a message */
    normd_transport *transport;                               /* NULL when it is closed */
    normd_assembler *assembler;
    normd_payload_memory memory;
    normd_out_queue out;
    size_t writing;      /* bytes of the write under way, or 0 */
    normd_keys keys;     /* of the arrays that the peer sent last */
    uint32_t in_flight;  /* requests that are not answered */
    size_t promised;     /* bytes of large answers that are being made */
    size_t announced;    /* bytes of the memory budget for payloads that no request has taken */
    uint64_t progressed; /* when bytes of an unfinished message came last, in looks */
    bool watched;        /* for its progress */
    bool touched;
    bool waits;  /* for a turn, with messages that have been read */
    bool paused; /* the peer has to read or wait first */
    bool reading;
    bool ended;    /* the peer sends nothing more */
    bool closing;  /* close was called */
    bool finished; /* nothing more will be sent */
    bool served_while_stopping;
} normd_connection;

enum {
    NORMD_CONNECTION_REQUESTS_HIGH = 1024,
    NORMD_CONNECTION_REQUESTS_LOW = 512,
    NORMD_CONNECTION_BYTES_HIGH = 4 << 20,
    NORMD_CONNECTION_BYTES_LOW = 1 << 20,
};

/* Starts to serve the peer; closes the transport when that is not possible. */
void normd_connection_open(struct normd_server *server, normd_transport *transport);

/* Puts the answer of a request that is done into the out queue and frees the request, at once or
   when the answer was sent. normd_connection_flush must follow. */
void normd_connection_answer(normd_connection *connection, struct normd_request *request);

/* Sends what waits, and reads on where that was stopped. The connection may be gone afterwards. */
void normd_connection_flush(normd_connection *connection);

/* Has waited for its turn: hands on more of what was read. */
void normd_connection_go_on(normd_connection *connection);

/* Closes without waiting for anything. */
void normd_connection_close(normd_connection *connection);

/* The server stops and nothing is in flight any more: closes as soon as everything was sent. */
void normd_connection_finish(normd_connection *connection);

#endif
