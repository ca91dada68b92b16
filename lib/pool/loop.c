// SPDX-License-Identifier: Apache-2.0
#include "lib/pool/pool_state.h"

#include <assert.h>

/* Takes and runs one tile; false when none is left. */
static bool loop_run_tile(normd_loop *loop)
{
    size_t tile = atomic_fetch_add_explicit(&loop->next_tile, 1, memory_order_relaxed);
    if (tile >= loop->tiles) {
        return false;
    }
    loop->function(loop->argument, tile);
    return true;
}

static bool loop_has_tiles(const normd_loop *loop)
{
    return atomic_load_explicit(&loop->next_tile, memory_order_relaxed) < loop->tiles;
}

normd_loop *normd_loop_pick(const normd_pool *pool)
{
    normd_loop *best = NULL;
    int fewest = 0;
    for (normd_loop *loop = pool->loops; loop != NULL; loop = loop->next) {
        int helpers = atomic_load_explicit(&loop->helpers, memory_order_relaxed);
        if (loop_has_tiles(loop) && (best == NULL || helpers < fewest)) {
            best = loop;
            fewest = helpers;
        }
    }
    return best;
}

void normd_loop_help(normd_pool *pool, normd_loop *loop)
{
    atomic_fetch_add_explicit(&loop->helpers, 1, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
    while (loop_run_tile(loop)) {
        if (atomic_load_explicit(&pool->serving_jobs, memory_order_relaxed) != 0) {
            break;
        }
    }
    pthread_mutex_lock(&pool->lock);
    /* Release: the caller, once it reads 0, sees what this thread's tiles wrote. It may then return
       at once, so the loop must not be touched after this line. */
    atomic_fetch_sub_explicit(&loop->helpers, 1, memory_order_release);
    if (pool->sleeping_callers > 0) {
        pthread_cond_broadcast(&pool->helped);
    }
}

static void loop_publish(normd_pool *pool, normd_loop *loop)
{
    pthread_mutex_lock(&pool->lock);
    loop->next = pool->loops;
    if (loop->next != NULL) {
        loop->next->previous = loop;
    }
    pool->loops = loop;
    atomic_fetch_add_explicit(&pool->news, 1, memory_order_relaxed);
    /* The caller takes tiles too, so one helper less than there are tiles. */
    size_t wake = (size_t)pool->sleeping_workers;
    if (wake > loop->tiles - 1) {
        wake = loop->tiles - 1;
    }
    pthread_mutex_unlock(&pool->lock);
    for (; wake > 0; wake--) {
        pthread_cond_signal(&pool->work);
    }
}

/* Takes the loop off the list: from here on nobody joins it. */
static void loop_withdraw(normd_pool *pool, normd_loop *loop)
{
    pthread_mutex_lock(&pool->lock);
    if (loop->next != NULL) {
        loop->next->previous = loop->previous;
    }
    if (loop->previous != NULL) {
        loop->previous->next = loop->next;
    } else {
        pool->loops = loop->next;
    }
    pthread_mutex_unlock(&pool->lock);
}

static bool loop_has_helpers(const normd_loop *loop)
{
    return atomic_load_explicit(&loop->helpers, memory_order_acquire) != 0;
}

static void loop_wait_for_helpers(normd_pool *pool, const normd_loop *loop)
{
    for (int spin = 0; spin < NORMD_POOL_SPINS && loop_has_helpers(loop); spin++) {
        normd_pool_pause();
    }
    if (!loop_has_helpers(loop)) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->sleeping_callers++;
    while (loop_has_helpers(loop)) {
        pthread_cond_wait(&pool->helped, &pool->lock);
    }
    pool->sleeping_callers--;
    pthread_mutex_unlock(&pool->lock);
}

void normd_pool_for(normd_pool *pool, size_t tiles, normd_tile_function function, void *argument)
{
    assert(function != NULL);
    if (pool == NULL || pool->threads == 1 || tiles <= 1) {
        for (size_t tile = 0; tile < tiles; tile++) {
            function(argument, tile);
        }
        return;
    }
    normd_loop loop = {.function = function, .argument = argument, .tiles = tiles};
    loop_publish(pool, &loop);
    while (loop_run_tile(&loop)) {
    }
    loop_withdraw(pool, &loop);
    loop_wait_for_helpers(pool, &loop);
}
