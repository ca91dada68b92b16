// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_TURNS_H
#define NORMD_DAEMON_TURNS_H

#include <stdbool.h>
#include <uv.h>

struct normd_connection;

/*
 * Connections that have read more than one turn handles. They go on one after another, each for one
 * turn a round of the loop, so that no peer keeps the loop to itself. Loop thread only.
 */
typedef struct normd_turns {
    uv_idle_t idle;                /* runs while somebody waits */
    struct normd_connection *next; /* waiting, in order; a list of utlist.h */
} normd_turns;

/* 0 or a libuv error. */
int normd_turns_open(normd_turns *turns, uv_loop_t *loop);
/* Nobody may wait. */
void normd_turns_close(normd_turns *turns);

/* Has the connection go on in the next round, by normd_connection_go_on. */
void normd_turns_wait(normd_turns *turns, struct normd_connection *connection);
/* The connection, which waits, does not any more. */
void normd_turns_leave(normd_turns *turns, struct normd_connection *connection);

#endif
