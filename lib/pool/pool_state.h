// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_POOL_POOL_STATE_H
#define NORMD_POOL_POOL_STATE_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/pool/pool.h"

/*
 * What pool.c and loop.c share.
 *
 * One lock guards the lanes, the list of loops, the joining and leaving of helpers, and going to
 * sleep. It is held for a few instructions at a time and never while a job or a tile runs. Because
 * work is added under the same lock under which a thread looks for work before it sleeps, no
 * wake-up can be lost. Only the counters that are read without the lock are atomic; each has a
 * cache line of its own.
 */
enum {
    NORMD_POOL_LINE_BYTES = 64,
    /* Looks at a counter before a thread sleeps: some microseconds, about what a wake-up costs. */
    NORMD_POOL_SPINS = 200,
};

/* A loop over tiles. It lives on the stack of its caller, who takes it off the list and then waits
   for `helpers` to become 0; a helper's last touch is that decrement. */
typedef struct normd_loop {
    normd_tile_function function;
    void *argument;
    size_t tiles;
    struct normd_loop *next, *previous; /* the list of published loops; under the lock */
    alignas(NORMD_POOL_LINE_BYTES) atomic_size_t next_tile;
    alignas(NORMD_POOL_LINE_BYTES) atomic_int helpers; /* changed under the lock */
} normd_loop;

typedef struct normd_job_queue {
    normd_job *head, *tail;
    size_t length;
} normd_job_queue;

struct normd_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;   /* workers sleep here */
    pthread_cond_t serve;  /* the serving thread sleeps here */
    pthread_cond_t helped; /* callers of loops wait here for their last helper */
    normd_job_queue lanes[NORMD_LANE_COUNT];
    normd_loop *loops;
    int sleeping_workers;
    int sleeping_callers;
    bool serving_thread_sleeps;
    bool stopping;
    size_t running_jobs;

    int threads;
    int started; /* threads to join: the workers and then the serving thread */
    pthread_t *ids;

    /* Counts every submit and publish: what an idle thread spins on. */
    alignas(NORMD_POOL_LINE_BYTES) atomic_uint news;
    /* Jobs that wait in the serving lane: helpers leave their loop for them. */
    alignas(NORMD_POOL_LINE_BYTES) atomic_size_t serving_jobs;
};

/* The published loop with tiles left that has the fewest helpers, or NULL. Under the lock. */
normd_loop *normd_loop_pick(const normd_pool *pool);

/* Joins the loop, takes tiles until none is left or a serving job waits, and leaves. Called with
   the lock held and returns with it held; it is not held in between. */
void normd_loop_help(normd_pool *pool, normd_loop *loop);

/* Tells the processor that this thread waits in a loop. */
static inline void normd_pool_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
