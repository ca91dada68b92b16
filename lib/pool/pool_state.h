// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_POOL_POOL_STATE_H
#define NORMD_POOL_POOL_STATE_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/pool/pool.h"

/*
 * What the files of this folder share.
 *
 * One lock guards the lanes and going to sleep. It is held for a few instructions at a time and
 * never while a job or a tile runs. Loops do without it as long as nobody sleeps.
 *
 * Two rules make that right. Both have the form "I write mine, then read yours; you write yours,
 * then read mine", so with sequentially consistent operations one of the two sees the other:
 *
 * 1. A loop is not changed or reused while a helper is in it. A helper writes to `helping` which
 *    loop it is about to enter, then looks whether the loop is still open; only then it touches it.
 *    The caller closes the loop, then looks at the `helping` of all workers until none names it.
 * 2. No wake-up is lost. A thread counts itself among the sleepers, then looks for what it waits
 *    for; who has news makes them visible, then looks for sleepers. The sleeper holds the lock from
 *    its counting until it sleeps, and the other takes it before the signal.
 */
enum {
    /* Counters that different threads write are this far apart: processors fetch cache lines in
       pairs. */
    NORMD_POOL_APART_BYTES = 128,
    /* Open loops at a time; a bit each. */
    NORMD_POOL_MAX_LOOPS = 64,
    /* Blocks of a loop; with more threads some share a block. */
    NORMD_POOL_MAX_BLOCKS = 64,
};

/* A part of a loop's tiles, [begin, begin + count). `taken` may exceed `count`. */
typedef struct normd_tile_block {
    alignas(NORMD_POOL_APART_BYTES) atomic_size_t taken;
    size_t begin, count;
} normd_tile_block;

/* A place for a loop over tiles. It belongs to the pool, so that a late helper may still look at
   it. Between opening and closing it is read-only but for `taken` in the blocks. */
typedef struct normd_loop {
    alignas(NORMD_POOL_APART_BYTES) normd_tile_function function;
    void *argument;
    size_t tiles;
    size_t block_count;
    bool descending;
    normd_tile_block *blocks;
} normd_loop;

typedef struct normd_worker {
    alignas(NORMD_POOL_APART_BYTES) normd_pool *pool;
    pthread_t id;
    size_t index;      /* the serving thread's is `threads` */
    bool expects_loop; /* helped or was woken just now, and nothing came since */
    bool may_move;     /* did not leave its core for a caller since it woke */
    /* 1 + the index of the loop that this worker is in or about to enter, or 0. */
    alignas(NORMD_POOL_APART_BYTES) atomic_uint helping;
    atomic_int core; /* where it entered that loop */
} normd_worker;

typedef struct normd_job_queue {
    normd_job *head, *tail;
} normd_job_queue;

struct normd_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;   /* workers sleep here */
    pthread_cond_t serve;  /* the serving thread sleeps here */
    pthread_cond_t helped; /* callers of loops sleep here until their last helper left */
    normd_job_queue lanes[NORMD_LANE_COUNT];
    bool serving_thread_sleeps;
    bool stopping;

    int threads;
    int started;           /* threads to join: the workers and then the serving thread */
    normd_worker *workers; /* `threads` workers and the serving thread */
    pthread_key_t self;    /* the calling thread's normd_worker; NULL in other threads */
    unsigned loop_count;
    normd_loop *loops;
    normd_tile_block *blocks; /* of all loops */

    /* What idle threads watch: the loops that may have tiles left, a bit each, and how many jobs
       wait in each lane (changed under the lock). Helpers leave their loop for serving jobs. */
    alignas(NORMD_POOL_APART_BYTES) _Atomic(uint64_t) open_loops;
    atomic_size_t waiting[NORMD_LANE_COUNT];
    atomic_int caller_core; /* where the last loop was opened */
    /* The places for loops that have a caller, a bit each. */
    alignas(NORMD_POOL_APART_BYTES) _Atomic(uint64_t) used_loops;
    /* Changed under the lock. */
    alignas(NORMD_POOL_APART_BYTES) atomic_int sleeping_workers;
    atomic_int sleeping_callers;
    atomic_int running_jobs;
};

/* Makes the places for loops; false when memory is short: normd_loops_free is right then too. */
bool normd_loops_create(normd_pool *pool);
void normd_loops_free(normd_pool *pool);

/* Enters an open loop, takes tiles until none is left or a serving job waits, and leaves. False
   when there was no tile to take. Without the lock. */
bool normd_loop_help(normd_worker *worker);

/* Whether the worker is not on the core where the last loop was opened: there it could only work
   instead of the caller, not beside it. If it is, it tries to move. */
bool normd_worker_avoids_caller(normd_worker *worker);

/* The main functions of the threads; `argument` is a normd_worker. */
void *normd_worker_main(void *argument);
void *normd_serving_main(void *argument);

#endif
