// SPDX-License-Identifier: Apache-2.0
#include <sched.h>

#include "lib/pool/pool_state.h"
#include "lib/pool/spin.h"

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
    atomic_fetch_sub_explicit(&pool->waiting[lane], 1, memory_order_relaxed);
    return job;
}

static bool lane_has_jobs(const normd_pool *pool, normd_lane lane)
{
    return atomic_load_explicit(&pool->waiting[lane], memory_order_relaxed) != 0;
}

/* No job is there and none can come: a running job may still submit some. Under the lock. */
static bool pool_is_finished(const normd_pool *pool)
{
    return pool->stopping && atomic_load_explicit(&pool->running_jobs, memory_order_relaxed) == 0 &&
           pool->lanes[NORMD_LANE_SERVE].head == NULL && pool->lanes[NORMD_LANE_TRAIN].head == NULL;
}

/* Runs the lane's oldest job; false when there is none. The lock is held before and after, and not
   while the job runs. */
static bool lane_run(normd_pool *pool, normd_lane lane)
{
    normd_job *job = lane_take(pool, lane);
    if (job == NULL) {
        return false;
    }
    atomic_fetch_add_explicit(&pool->running_jobs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
    /* The owner may free the job inside of run. */
    job->run(job);
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_sub_explicit(&pool->running_jobs, 1, memory_order_relaxed);
    if (pool_is_finished(pool)) {
        pthread_cond_broadcast(&pool->work);
        pthread_cond_broadcast(&pool->serve);
    }
    return true;
}

static bool worker_run_job(normd_worker *worker, normd_lane lane)
{
    normd_pool *pool = worker->pool;
    if (!lane_has_jobs(pool, lane)) {
        return false;
    }
    pthread_mutex_lock(&pool->lock);
    bool ran = lane_run(pool, lane);
    pthread_mutex_unlock(&pool->lock);
    return ran;
}

/* Does one piece of work, in the order of urgency; false when there is none. */
static bool worker_work(normd_worker *worker)
{
    if (worker_run_job(worker, NORMD_LANE_SERVE)) {
        worker->expects_loop = false;
        return true;
    }
    if (normd_loop_help(worker)) {
        worker->expects_loop = true;
        return true;
    }
    if (worker_run_job(worker, NORMD_LANE_TRAIN)) {
        worker->expects_loop = false;
        return true;
    }
    return false;
}

static bool pool_has_news(const normd_pool *pool)
{
    return atomic_load_explicit(&pool->open_loops, memory_order_relaxed) != 0 ||
           lane_has_jobs(pool, NORMD_LANE_SERVE) || lane_has_jobs(pool, NORMD_LANE_TRAIN);
}

/* A job that publishes one loop soon publishes another: as long as a job runs, its helpers wait for
   that. */
static bool worker_expects_loop(const normd_worker *worker)
{
    return worker->expects_loop &&
           atomic_load_explicit(&worker->pool->running_jobs, memory_order_relaxed) > 0;
}

/* Watches for news for a while; true when there are some. */
static bool worker_spin(normd_worker *worker)
{
    for (unsigned turn = 1; !pool_has_news(worker->pool); turn++) {
        normd_spin_turn();
        if (turn % NORMD_SPIN_LOOK_TURNS != 0) {
            continue;
        }
        bool expects = worker_expects_loop(worker) && normd_worker_avoids_caller(worker);
        if (turn >= (expects ? NORMD_SPIN_LONG_TURNS : NORMD_SPIN_SHORT_TURNS)) {
            return false;
        }
        if (turn >= NORMD_SPIN_SHORT_TURNS) {
            sched_yield(); /* the core may be wanted for requests or by other programs */
        }
    }
    return true;
}

/* Sleeps until there may be work; false when the pool has ended. */
static bool worker_sleep(normd_worker *worker)
{
    normd_pool *pool = worker->pool;
    pthread_mutex_lock(&pool->lock);
    bool finished = pool_is_finished(pool);
    if (!finished) {
        atomic_fetch_add_explicit(&pool->sleeping_workers, 1, memory_order_seq_cst);
        if (atomic_load_explicit(&pool->open_loops, memory_order_seq_cst) == 0 &&
            !lane_has_jobs(pool, NORMD_LANE_SERVE) && !lane_has_jobs(pool, NORMD_LANE_TRAIN)) {
            pthread_cond_wait(&pool->work, &pool->lock);
        }
        atomic_fetch_sub_explicit(&pool->sleeping_workers, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&pool->lock);
    /* Whoever woke it wants help, even if the loop is over by now. */
    worker->expects_loop = true;
    worker->may_move = true;
    return !finished;
}

void *normd_worker_main(void *argument)
{
    normd_worker *worker = argument;
    pthread_setspecific(worker->pool->self, worker);
    bool goes_on = true;
    while (goes_on) {
        goes_on = worker_work(worker) || worker_spin(worker) || worker_sleep(worker);
    }
    return NULL;
}

void *normd_serving_main(void *argument)
{
    const normd_worker *worker = argument;
    normd_pool *pool = worker->pool;
    pthread_setspecific(pool->self, worker);
    pthread_mutex_lock(&pool->lock);
    while (!pool_is_finished(pool)) {
        if (lane_run(pool, NORMD_LANE_SERVE)) {
            continue;
        }
        pool->serving_thread_sleeps = true;
        pthread_cond_wait(&pool->serve, &pool->lock);
        pool->serving_thread_sleeps = false;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}
