// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_POOL_POOL_H
#define NORMD_POOL_POOL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The worker pool: the only parallelism in the process. It runs two things.
 *
 * Jobs are whole pieces of a session's work (one train step, one inference). They wait in one of
 * two lanes. Serving jobs are taken before training jobs, and one more thread takes serving jobs
 * alone, so that inference makes progress while every worker is inside a training step.
 *
 * Tiles are the parts of one loop inside a job. The thread that runs the job takes tiles too, and
 * idle workers help it; the loop returns when every tile is done. Which thread takes which tile
 * depends on chance, therefore tiles must write to places of their own, and whoever combines their
 * results does it in the order of the tiles: the bits never depend on the number of threads.
 */
typedef struct normd_pool normd_pool;

typedef enum normd_lane { NORMD_LANE_SERVE, NORMD_LANE_TRAIN, NORMD_LANE_COUNT } normd_lane;

/* A job, embedded in its owner's struct; the owner keeps it alive until `run` was called. */
typedef struct normd_job {
    void (*run)(struct normd_job *job);
    struct normd_job *next; /* the pool's while the job waits */
} normd_job;

/* One tile of a loop. `argument` is shared by all tiles of the loop. */
typedef void (*normd_tile_function)(void *argument, size_t tile);

/* Starts `threads` workers (1 to NORMD_POOL_MAX_THREADS) and the serving thread. Workers block all
   signals. NULL when threads or memory cannot be had. */
enum { NORMD_POOL_MAX_THREADS = 1024 };
normd_pool *normd_pool_create(int threads);

/* Runs what waits to its end, then stops and joins the threads. No job may be submitted from
   outside any more; jobs that run may still submit jobs. NULL is let pass. */
void normd_pool_destroy(normd_pool *pool);

int normd_pool_threads(const normd_pool *pool);

/* Puts a job at the end of its lane. From any thread; never blocks for long. */
void normd_pool_submit(normd_pool *pool, normd_job *job, normd_lane lane);

/* The same as `for (size_t tile = 0; tile < tiles; tile++) function(argument, tile);` with the
   tiles in any order and on any thread. From any thread, inside a job or not; not from inside a
   tile. `pool` may be NULL: then the loop runs as written. Small loops belong in a plain loop: the
   caller decides.

   Each thread begins with a block of neighbouring tiles of its own and goes up in it, then takes
   what is left of the other blocks. A thread's block depends on the number of tiles alone, so that
   loops after one another over the same tiles find them in the cache of the same core. */
void normd_pool_for(normd_pool *pool, size_t tiles, normd_tile_function function, void *argument);

/* The same with each thread going down in its block, and from the last tile to the first where the
   loop runs on one thread: a second pass over a large batch begins with what the first pass left in
   the cache. */
void normd_pool_for_reversed(
    normd_pool *pool, size_t tiles, normd_tile_function function, void *argument);

#endif
