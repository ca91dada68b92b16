// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_PROGRESS_H
#define NORMD_DAEMON_PROGRESS_H

#include <stdint.h>
#include <uv.h>

struct normd_connection;

/*
 * Connections that are inside a message. Who sends nothing of the rest for too long is closed,
 * since memory is kept for the message. One coarse timer watches all of them, and runs only while
 * there are any. Loop thread only.
 */
typedef struct normd_progress {
    uv_timer_t timer;
    uint64_t period;                  /* milliseconds between two looks; 0: nobody is watched */
    uint64_t looks;                   /* so far */
    struct normd_connection *watched; /* a list of utlist.h */
} normd_progress;

/* 0 or a libuv error. After `seconds` without progress a connection is closed; 0: never. */
int normd_progress_open(normd_progress *progress, uv_loop_t *loop, uint64_t seconds);
/* Nobody may be watched. */
void normd_progress_close(normd_progress *progress);

/* Bytes of a message that is not over have arrived. */
void normd_progress_watch(normd_progress *progress, struct normd_connection *connection);
/* The connection, which is watched, is not any more. */
void normd_progress_leave(normd_progress *progress, struct normd_connection *connection);

#endif
