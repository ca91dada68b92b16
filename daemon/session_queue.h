// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_SESSION_QUEUE_H
#define NORMD_DAEMON_SESSION_QUEUE_H

#include <pthread.h>
#include <stdbool.h>

#include "lib/pool/pool.h"

struct normd_request;

/*
 * What is to be done to one session, one after another, in the order of arrival. A turn is a job in
 * the training lane that does a few requests and then goes to the end of the lane, so that busy
 * sessions take turns.
 *
 * `run` does a request on the worker; `done` gives it away and is the last thing that a turn does
 * with the queue: with it the queue may end. When `run` returns true the queue stops behind that
 * request until normd_session_queue_resume.
 */
typedef struct normd_session_queue_work {
    bool (*run)(struct normd_request *request);
    void (*done)(struct normd_request *request);
} normd_session_queue_work;

typedef struct normd_session_queue {
    normd_job job;
    normd_pool *pool;
    const normd_session_queue_work *work;
    pthread_mutex_t lock;
    struct normd_request *first, *last; /* linked by `next` */
    bool active;                        /* a turn waits, runs, or is stopped */
} normd_session_queue;

enum { NORMD_SESSION_TURN_REQUESTS = 4 };

/* `work` must outlive the queue. */
void normd_session_queue_init(
    normd_session_queue *queue, normd_pool *pool, const normd_session_queue_work *work);
/* The queue must be empty and no turn under way. */
void normd_session_queue_destroy(normd_session_queue *queue);

/* Any thread. */
void normd_session_queue_push(normd_session_queue *queue, struct normd_request *request);

/* Goes on behind the request that stopped the queue. Any thread. */
void normd_session_queue_resume(normd_session_queue *queue);

#endif
