// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_DISPATCH_H
#define NORMD_DAEMON_DISPATCH_H

#include <stdbool.h>

#include "daemon/session_queue.h"
#include "protocol/assembler.h"

struct normd_connection;
struct normd_request;

/*
 * From a message to the place where its request runs, and from there back to its connection. Where
 * that is, is a matter of the method's class (protocol/methods.h) alone.
 */

/* Takes one message. False when it is no request at all: close. Loop thread. */
bool normd_dispatch(struct normd_connection *connection, normd_message *message);

/* Hands requests that are done to their connections, and sends: what the completion door calls with
   the server as `context`. Loop thread. */
void normd_dispatch_deliver(void *context, struct normd_request *first);

/* What the sessions' queues do. */
extern const normd_session_queue_work normd_dispatch_queue_work;

/* The same for one request that is committed, or failed: what the committer calls with the server
   as `context`. Any thread. */
void normd_dispatch_done(void *context, struct normd_request *request);

#endif
