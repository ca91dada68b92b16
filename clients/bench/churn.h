// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_BENCH_CHURN_H
#define NORMD_CLIENTS_BENCH_CHURN_H

#include "clients/bench/connection.h"

/* How rude connections end: at a random byte of a request, by a proper end or by a reset, or while
   an answer is half read. All take the random state of their worker. */

/* Decides where a connection that was just opened will be cut. */
void normd_churn_plan(normd_connection *connection, uint64_t *random);
/* How much to read: everything, or for a connection that is to end inside an answer a few bytes. */
size_t normd_churn_room(const normd_connection *connection, size_t size, uint64_t *random);
/* Whether the connection was to end once it had read something, and has. */
bool normd_churn_is_over(const normd_connection *connection);
/* Makes the coming close a reset where that was decided. */
void normd_churn_prepare_close(const normd_connection *connection);
/* When to open it again. */
int64_t normd_churn_reopen_time(uint64_t *random);

#endif
