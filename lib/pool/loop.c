// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <sched.h>
#include <stdlib.h>

#include "lib/pool/pool_state.h"
#include "lib/pool/spin.h"

/* A thread that finds sleepers wakes this many, and each of those as many again: all are awake
   after a few steps, and nobody pays for all. */
enum { WAKE_AT_ONCE = 2 };

static uint64_t loop_bit(const normd_pool *pool, const normd_loop *loop)
{
    return UINT64_C(1) << (loop - pool->loops);
}

static unsigned loop_name(const normd_pool *pool, const normd_loop *loop)
{
    return (unsigned)(loop - pool->loops) + 1;
}

/* Takes and runs one tile of the block; false when none is left. */
static bool block_run_tile(const normd_loop *loop, normd_tile_block *block)
{
    /* Most blocks that a thread comes by are empty: looking leaves the line to all. */
    if (atomic_load_explicit(&block->taken, memory_order_relaxed) >= block->count) {
        return false;
    }
    size_t i = atomic_fetch_add_explicit(&block->taken, 1, memory_order_relaxed);
    if (i >= block->count) {
        return false;
    }
    size_t offset = loop->descending ? block->count - 1 - i : i;
    loop->function(loop->argument, block->begin + offset);
    return true;
}

/* Runs tiles of the block of thread `index`, then those left in the other blocks. */
static size_t loop_run_tiles(normd_pool *pool, const normd_loop *loop, size_t index, bool helps)
{
    size_t ran = 0;
    for (size_t i = 0; i < loop->block_count; i++) {
        normd_tile_block *block = &loop->blocks[(index + i) % loop->block_count];
        while (block_run_tile(loop, block)) {
            ran++;
            if (helps &&
                atomic_load_explicit(&pool->waiting[NORMD_LANE_SERVE], memory_order_relaxed) != 0) {
                return ran;
            }
        }
    }
    /* Nothing is left: nobody else needs to come. */
    uint64_t bit = loop_bit(pool, loop);
    if ((atomic_load_explicit(&pool->open_loops, memory_order_seq_cst) & bit) != 0) {
        atomic_fetch_and_explicit(&pool->open_loops, ~bit, memory_order_seq_cst);
    }
    return ran;
}

/* Wakes sleepers if there are more tiles than threads that are awake. Helpers of other loops count
   as awake: they come when those are done. */
static void loop_wake_helpers(normd_pool *pool, const normd_loop *loop)
{
    int sleeping = atomic_load_explicit(&pool->sleeping_workers, memory_order_seq_cst);
    if (sleeping == 0) {
        return;
    }
    int busy = atomic_load_explicit(&pool->running_jobs, memory_order_relaxed);
    int awake = pool->threads - sleeping - busy;
    /* The caller takes tiles too, so one helper less than there are tiles. */
    size_t wanted = loop->tiles - 1;
    size_t there = awake > 0 ? (size_t)awake : 0;
    size_t wake = wanted > there ? wanted - there : 0;
    wake = wake < WAKE_AT_ONCE ? wake : WAKE_AT_ONCE;
    if (wake == 0) {
        return;
    }
    /* Whoever counted itself among the sleepers has the lock until it sleeps. */
    pthread_mutex_lock(&pool->lock);
    pthread_mutex_unlock(&pool->lock);
    for (; wake > 0; wake--) {
        pthread_cond_signal(&pool->work);
    }
}

/* An open loop, or NULL. Workers begin to look at different places, so they spread over loops. */
static normd_loop *loop_pick(const normd_pool *pool, size_t index)
{
    uint64_t open = atomic_load_explicit(&pool->open_loops, memory_order_relaxed);
    if (open == 0) {
        return NULL;
    }
    for (size_t skip = index % (size_t)__builtin_popcountll(open); skip > 0; skip--) {
        open &= open - 1;
    }
    return &pool->loops[__builtin_ctzll(open)];
}

/* Enters the loop; false when it is closed. See rule 1 in pool_state.h. */
static bool loop_enter(normd_worker *worker, const normd_loop *loop)
{
    normd_pool *pool = worker->pool;
    atomic_store_explicit(&worker->core, sched_getcpu(), memory_order_relaxed);
    atomic_store_explicit(&worker->helping, loop_name(pool, loop), memory_order_seq_cst);
    uint64_t open = atomic_load_explicit(&pool->open_loops, memory_order_seq_cst);
    return (open & loop_bit(pool, loop)) != 0;
}

/* The caller that reads the 0 sees what this thread's tiles wrote. */
static void loop_leave(normd_worker *worker)
{
    normd_pool *pool = worker->pool;
    atomic_store_explicit(&worker->helping, 0, memory_order_seq_cst);
    if (atomic_load_explicit(&pool->sleeping_callers, memory_order_seq_cst) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->helped);
        pthread_mutex_unlock(&pool->lock);
    }
}

bool normd_loop_help(normd_worker *worker)
{
    normd_pool *pool = worker->pool;
    const normd_loop *loop = loop_pick(pool, worker->index);
    if (loop == NULL) {
        return false;
    }
    normd_worker_avoids_caller(worker);
    size_t ran = 0;
    if (loop_enter(worker, loop)) {
        loop_wake_helpers(pool, loop);
        ran = loop_run_tiles(pool, loop, worker->index, true);
    }
    loop_leave(worker);
    return ran > 0;
}

/* Waits until the worker is not in the loop; false when that takes long. `turns` counts all waiting
   for this loop. */
static bool loop_spin_for(const normd_worker *worker, unsigned name, unsigned *turns)
{
    while (atomic_load_explicit(&worker->helping, memory_order_seq_cst) == name) {
        if (*turns >= NORMD_SPIN_LONG_TURNS) {
            return false;
        }
        normd_spin_turn();
        if (++*turns % NORMD_SPIN_LOOK_TURNS == 0 &&
            atomic_load_explicit(&worker->core, memory_order_relaxed) == sched_getcpu()) {
            sched_yield(); /* it waits for this core */
        }
    }
    return true;
}

static void loop_sleep_for(normd_pool *pool, const normd_worker *worker, unsigned name)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add_explicit(&pool->sleeping_callers, 1, memory_order_seq_cst);
    while (atomic_load_explicit(&worker->helping, memory_order_seq_cst) == name) {
        pthread_cond_wait(&pool->helped, &pool->lock);
    }
    atomic_fetch_sub_explicit(&pool->sleeping_callers, 1, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
}

/* The loop is closed: no helper comes, and those that are there leave. */
static void loop_wait_for_helpers(normd_pool *pool, const normd_loop *loop)
{
    unsigned name = loop_name(pool, loop);
    unsigned turns = 0;
    for (int i = 0; i < pool->threads; i++) {
        if (!loop_spin_for(&pool->workers[i], name, &turns)) {
            loop_sleep_for(pool, &pool->workers[i], name);
        }
    }
}

/* A place that no other caller has, or NULL. */
static normd_loop *loop_claim(normd_pool *pool)
{
    uint64_t all = UINT64_MAX >> (NORMD_POOL_MAX_LOOPS - pool->loop_count);
    uint64_t used = atomic_load_explicit(&pool->used_loops, memory_order_relaxed);
    uint64_t bit;
    do {
        uint64_t unused = all & ~used;
        if (unused == 0) {
            return NULL;
        }
        bit = unused & (~unused + 1);
    } while (!atomic_compare_exchange_weak_explicit(
        &pool->used_loops, &used, used | bit, memory_order_acquire, memory_order_relaxed));
    return &pool->loops[__builtin_ctzll(bit)];
}

static void loop_unclaim(normd_pool *pool, const normd_loop *loop)
{
    atomic_fetch_and_explicit(&pool->used_loops, ~loop_bit(pool, loop), memory_order_release);
}

/* One block a thread, in the order of the threads: with as many tiles, the next loop's blocks are
   the same, and what a core's own cache holds of them is used again. */
static void loop_share_tiles(const normd_pool *pool, normd_loop *loop)
{
    size_t blocks = (size_t)pool->threads;
    blocks = blocks < NORMD_POOL_MAX_BLOCKS ? blocks : NORMD_POOL_MAX_BLOCKS;
    blocks = blocks < loop->tiles ? blocks : loop->tiles;
    size_t begin = 0;
    for (size_t i = 0; i < blocks; i++) {
        normd_tile_block *block = &loop->blocks[i];
        block->begin = begin;
        block->count = loop->tiles / blocks + (i < loop->tiles % blocks);
        begin += block->count;
        atomic_store_explicit(&block->taken, 0, memory_order_relaxed);
    }
    loop->block_count = blocks;
}

static void run_alone(size_t tiles, bool descending, normd_tile_function function, void *argument)
{
    for (size_t i = 0; i < tiles; i++) {
        function(argument, descending ? tiles - 1 - i : i);
    }
}

static void run(
    normd_pool *pool, size_t tiles, bool descending, normd_tile_function function, void *argument)
{
    assert(function != NULL);
    bool alone = pool == NULL || pool->threads == 1 || tiles <= 1;
    /* With all places taken there are enough loops for all workers. */
    normd_loop *loop = alone ? NULL : loop_claim(pool);
    if (loop == NULL) {
        run_alone(tiles, descending, function, argument);
        return;
    }
    loop->function = function;
    loop->argument = argument;
    loop->tiles = tiles;
    loop->descending = descending;
    loop_share_tiles(pool, loop);
    atomic_store_explicit(&pool->caller_core, sched_getcpu(), memory_order_relaxed);
    atomic_fetch_or_explicit(&pool->open_loops, loop_bit(pool, loop), memory_order_seq_cst);
    loop_wake_helpers(pool, loop);
    const normd_worker *self = pthread_getspecific(pool->self);
    loop_run_tiles(pool, loop, self != NULL ? self->index : 0, false);
    loop_wait_for_helpers(pool, loop);
    loop_unclaim(pool, loop);
}

void normd_pool_for(normd_pool *pool, size_t tiles, normd_tile_function function, void *argument)
{
    run(pool, tiles, false, function, argument);
}

void normd_pool_for_reversed(
    normd_pool *pool, size_t tiles, normd_tile_function function, void *argument)
{
    run(pool, tiles, true, function, argument);
}

bool normd_loops_create(normd_pool *pool)
{
    size_t threads = (size_t)pool->threads;
    /* Every worker and the serving thread may run a loop, and one thread of another kind. */
    size_t loops = threads + 2 < NORMD_POOL_MAX_LOOPS ? threads + 2 : NORMD_POOL_MAX_LOOPS;
    size_t blocks = threads < NORMD_POOL_MAX_BLOCKS ? threads : NORMD_POOL_MAX_BLOCKS;
    pool->loop_count = (unsigned)loops;
    pool->loops = aligned_alloc(alignof(normd_loop), loops * sizeof *pool->loops);
    pool->blocks = aligned_alloc(alignof(normd_tile_block), loops * blocks * sizeof *pool->blocks);
    if (pool->loops == NULL || pool->blocks == NULL) {
        return false;
    }
    for (size_t i = 0; i < loops; i++) {
        pool->loops[i] = (normd_loop){.blocks = pool->blocks + i * blocks};
    }
    for (size_t i = 0; i < loops * blocks; i++) {
        atomic_init(&pool->blocks[i].taken, 0);
    }
    return true;
}

void normd_loops_free(normd_pool *pool)
{
    free(pool->blocks);
    free(pool->loops);
}
