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
    queue->length++;
}

/* The oldest job of the lane, or NULL. Under the lock. */
static normd_job *lane_take(normd_pool *pool, normd_lane lane)
{
    normd_job_queue *queue = &pool->lanes[lane];
    normd_job *job = queue->head;
    if (job == NULL) {
        return NULL;
    }
    queue->head = job->next;
    if (queue->head == NULL) {
        queue->tail = NULL;
    }
    queue->length--;
    if (lane == NORMD_LANE_SERVE) {
        atomic_store_explicit(&pool->serving_jobs, queue->length, memory_order_relaxed);
    }
    return job;
}

/* No job is there and none can come: a running job may still submit some. Under the lock. */
static bool pool_is_finished(const normd_pool *pool)
{
    return pool->stopping && pool->running_jobs == 0 && pool->lanes[NORMD_LANE_SERVE].length == 0 &&
           pool->lanes[NORMD_LANE_TRAIN].length == 0;
}

static void pool_wake_all(normd_pool *pool)
{
    atomic_fetch_add_explicit(&pool->news, 1, memory_order_relaxed);
    pthread_cond_broadcast(&pool->work);
    pthread_cond_broadcast(&pool->serve);
}

/* Called and returns with the lock held; the job runs without it. */
static void pool_run_job(normd_pool *pool, normd_job *job)
{
    pool->running_jobs++;
    pthread_mutex_unlock(&pool->lock);
    /* The owner may free the job inside of run. */
    job->run(job);
    pthread_mutex_lock(&pool->lock);
    pool->running_jobs--;
    if (pool_is_finished(pool)) {
        pool_wake_all(pool);
    }
}

/* Does one piece of work, in the order of urgency; false when there is none. The lock is held
   before and after. */
static bool worker_work(normd_pool *pool)
{
    normd_job *job = lane_take(pool, NORMD_LANE_SERVE);
    if (job == NULL) {
        normd_loop *loop = normd_loop_pick(pool);
        if (loop != NULL) {
            normd_loop_help(pool, loop);
            return true;
        }
        job = lane_take(pool, NORMD_LANE_TRAIN);
    }
    if (job == NULL) {
        return false;
    }
    pool_run_job(pool, job);
    return true;
}

static bool serving_work(normd_pool *pool)
{
    normd_job *job = lane_take(pool, NORMD_LANE_SERVE);
    if (job == NULL) {
        return false;
    }
    pool_run_job(pool, job);
    return true;
}

/* Watches for news without the lock, for a short time; true when there is some. The lock is held
   before and after. */
static bool pool_spin(normd_pool *pool)
{
    unsigned seen = atomic_load_explicit(&pool->news, memory_order_relaxed);
    unsigned now = seen;
    pthread_mutex_unlock(&pool->lock);
    for (int spin = 0; spin < NORMD_POOL_SPINS && now == seen; spin++) {
        normd_pool_pause();
        now = atomic_load_explicit(&pool->news, memory_order_relaxed);
    }
    pthread_mutex_lock(&pool->lock);
    /* News that came between the last look and the lock counts as well. */
    return atomic_load_explicit(&pool->news, memory_order_relaxed) != seen;
}

static void *worker_main(void *argument)
{
    normd_pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    while (!pool_is_finished(pool)) {
        if (worker_work(pool) || pool_spin(pool)) {
            continue;
        }
        pool->sleeping_workers++;
        pthread_cond_wait(&pool->work, &pool->lock);
        pool->sleeping_workers--;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void *serving_main(void *argument)
{
    normd_pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    while (!pool_is_finished(pool)) {
        if (serving_work(pool)) {
            continue;
        }
        pool->serving_thread_sleeps = true;
        pthread_cond_wait(&pool->serve, &pool->lock);
        pool->serving_thread_sleeps = false;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

void normd_pool_submit(normd_pool *pool, normd_job *job, normd_lane lane)
{
    assert(job != NULL && job->run != NULL && lane < NORMD_LANE_COUNT);
    pthread_mutex_lock(&pool->lock);
    queue_push(&pool->lanes[lane], job);
    bool wake_serving_thread = false;
    bool wake_worker = pool->sleeping_workers > 0;
    if (lane == NORMD_LANE_SERVE) {
        size_t waiting = pool->lanes[lane].length;
        atomic_store_explicit(&pool->serving_jobs, waiting, memory_order_relaxed);
        /* The serving thread takes one of the waiting jobs; a worker is for the others. */
        wake_serving_thread = pool->serving_thread_sleeps;
        wake_worker = wake_worker && (!wake_serving_thread || waiting > 1);
    }
    atomic_fetch_add_explicit(&pool->news, 1, memory_order_relaxed);
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
    pool_wake_all(pool);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++) {
        pthread_join(pool->ids[i], NULL);
    }
}

static void pool_free(normd_pool *pool)
{
    pthread_cond_destroy(&pool->helped);
    pthread_cond_destroy(&pool->serve);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->ids);
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
        void *(*entry)(void *) = serving ? serving_main : worker_main;
        started = pthread_create(&pool->ids[i], NULL, entry, pool) == 0;
        if (started) {
            pthread_setname_np(pool->ids[i], serving ? "normd-serve" : "normd-work");
            pool->started++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static normd_pool *pool_allocate(int threads)
{
    normd_pool *pool = aligned_alloc(NORMD_POOL_LINE_BYTES, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    *pool = (normd_pool){.threads = threads};
    pool->ids = calloc((size_t)threads + 1, sizeof *pool->ids);
    if (pool->ids == NULL) {
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
