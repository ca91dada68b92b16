// SPDX-License-Identifier: Apache-2.0
#include "lib/pool/pool.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

#include "lib/pool/pool_state.h"

static void queue_push(normd_job_queue *queue, normd_job *job)
{
    job->next = NULL;
    if (queue->tail != NULL) {
        queue->tail->next = job;
    } else {
        queue->head = job;
    }
    queue->tail = job;
}

void normd_pool_submit(normd_pool *pool, normd_job *job, normd_lane lane)
{
    assert(job != NULL && job->run != NULL && lane < NORMD_LANE_COUNT);
    pthread_mutex_lock(&pool->lock);
    queue_push(&pool->lanes[lane], job);
    bool wake_serving_thread = false;
    size_t waiting = 1 + atomic_fetch_add_explicit(&pool->waiting[lane], 1, memory_order_relaxed);
    bool wake_worker = atomic_load_explicit(&pool->sleeping_workers, memory_order_relaxed) > 0;
    if (lane == NORMD_LANE_SERVE) {
        /* The serving thread takes one of the waiting jobs; a worker is for the others. */
        wake_serving_thread = pool->serving_thread_sleeps;
        wake_worker = wake_worker && (!wake_serving_thread || waiting > 1);
    }
    /* Signalled under the lock: once it is released the last job may end and the pool be gone. */
    if (wake_serving_thread) {
        pthread_cond_signal(&pool->serve);
    }
    if (wake_worker) {
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
}

int normd_pool_threads(const normd_pool *pool)
{
    return pool->threads;
}

static void pool_stop(normd_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_cond_broadcast(&pool->serve);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++) {
        pthread_join(pool->workers[i].id, NULL);
    }
}

static void pool_free(normd_pool *pool)
{
    pthread_key_delete(pool->self);
    pthread_cond_destroy(&pool->helped);
    pthread_cond_destroy(&pool->serve);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    normd_loops_free(pool);
    free(pool->workers);
    free(pool);
}

/* Starts the threads with all signals blocked, so that signals go to the program's own threads. */
static bool pool_start(normd_pool *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) {
        return false;
    }
    bool started = true;
    for (int i = 0; i <= pool->threads && started; i++) {
        bool serving = i == pool->threads;
        normd_worker *worker = &pool->workers[i];
        void *(*entry)(void *) = serving ? normd_serving_main : normd_worker_main;
        started = pthread_create(&worker->id, NULL, entry, worker) == 0;
        if (started) {
            pthread_setname_np(worker->id, serving ? "normd-serve" : "normd-work");
            pool->started++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static bool pool_create_workers(normd_pool *pool)
{
    size_t count = (size_t)pool->threads + 1;
    pool->workers = aligned_alloc(alignof(normd_worker), count * sizeof *pool->workers);
    if (pool->workers == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        pool->workers[i] = (normd_worker){.pool = pool, .index = i};
    }
    return true;
}

static normd_pool *pool_allocate(int threads)
{
    normd_pool *pool = aligned_alloc(alignof(normd_pool), sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    *pool = (normd_pool){.threads = threads, .caller_core = -1};
    if (!pool_create_workers(pool) || !normd_loops_create(pool) ||
        pthread_key_create(&pool->self, NULL) != 0) {
        normd_loops_free(pool);
        free(pool->workers);
        free(pool);
        return NULL;
    }
    /* With default attributes these cannot fail on Linux. */
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->serve, NULL);
    pthread_cond_init(&pool->helped, NULL);
    return pool;
}

normd_pool *normd_pool_create(int threads)
{
    if (threads < 1 || threads > NORMD_POOL_MAX_THREADS) {
        return NULL;
    }
    normd_pool *pool = pool_allocate(threads);
    if (pool == NULL) {
        return NULL;
    }
    if (!pool_start(pool)) {
        pool_stop(pool);
        pool_free(pool);
        return NULL;
    }
    return pool;
}

void normd_pool_destroy(normd_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pool_stop(pool);
    pool_free(pool);
}
