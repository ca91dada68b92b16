// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_EXPIRY_H
#define NORMD_DAEMON_EXPIRY_H

#include <stdint.h>
#include <uv.h>

struct normd_request;
struct normd_server;

/*
 * Forward steps that are kept for backward and too old are dropped, also when nobody asks the
 * session for anything. A coarse timer, which runs only while some session keeps any, puts a
 * request without a connection into the queue of each session that has such steps. Loop thread
 * only.
 */
typedef struct normd_expiry {
    uv_timer_t timer;
    uint64_t period; /* milliseconds; 0: nothing gets too old */
} normd_expiry;

/* 0 or a libuv error. */
int normd_expiry_open(normd_expiry *expiry, struct normd_server *server);
void normd_expiry_close(normd_expiry *expiry);

/* A step may have been kept. */
void normd_expiry_start(normd_expiry *expiry);

/* A request of the timer's is done; frees it. */
void normd_expiry_done(struct normd_request *request);

#endif
