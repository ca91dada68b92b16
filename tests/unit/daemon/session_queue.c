// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <pthread.h>
#include <stdlib.h>

#include "daemon/request.h"
#include "daemon/session_queue.h"

enum { REQUESTS = 1000, QUEUES = 3 };

/* What is seen of the requests' runs and ends; a request's id tells its place and its queue. */
typedef struct record {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned running[QUEUES];
    unsigned most_running;
    unsigned done;
    uint32_t order[QUEUES][REQUESTS];
    unsigned ran[QUEUES];
    uint32_t stop_at; /* this id stops its queue */
} record;

static record seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool run(normd_request *request)
{
    unsigned queue = request->id % QUEUES;
    pthread_mutex_lock(&seen.lock);
    seen.running[queue]++;
    if (seen.running[queue] > seen.most_running) {
        seen.most_running = seen.running[queue];
    }
    seen.order[queue][seen.ran[queue]++] = request->id;
    bool stop = request->id == seen.stop_at;
    pthread_mutex_unlock(&seen.lock);
    pthread_mutex_lock(&seen.lock);
    seen.running[queue]--;
    pthread_mutex_unlock(&seen.lock);
    return stop;
}

static void done(normd_request *request)
{
    (void)request;
    pthread_mutex_lock(&seen.lock);
    seen.done++;
    pthread_cond_signal(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
}

static const normd_session_queue_work work = {.run = run, .done = done};

static void wait_for(unsigned count)
{
    pthread_mutex_lock(&seen.lock);
    while (seen.done < count) {
        pthread_cond_wait(&seen.changed, &seen.lock);
    }
    pthread_mutex_unlock(&seen.lock);
}

static void reset(uint32_t stop_at)
{
    pthread_mutex_lock(&seen.lock);
    seen.most_running = 0;
    seen.done = 0;
    for (unsigned i = 0; i < QUEUES; i++) {
        seen.ran[i] = 0;
    }
    seen.stop_at = stop_at;
    pthread_mutex_unlock(&seen.lock);
}

static void requests_run_one_after_another_in_their_order(void **state)
{
    (void)state;
    reset(UINT32_MAX);
    normd_pool *pool = normd_pool_create(3);
    assert_non_null(pool);
    normd_session_queue queue[QUEUES];
    normd_request *requests = calloc(QUEUES * REQUESTS, sizeof *requests);
    for (unsigned q = 0; q < QUEUES; q++) {
        normd_session_queue_init(&queue[q], pool, &work);
    }
    for (uint32_t i = 0; i < QUEUES * REQUESTS; i++) {
        requests[i].id = i;
        normd_session_queue_push(&queue[i % QUEUES], &requests[i]);
    }
    wait_for(QUEUES * REQUESTS);
    normd_pool_destroy(pool);
    assert_int_equal(seen.most_running, 1);
    for (unsigned q = 0; q < QUEUES; q++) {
        assert_int_equal(seen.ran[q], REQUESTS);
        for (uint32_t i = 0; i < REQUESTS; i++) {
            assert_int_equal(seen.order[q][i], i * QUEUES + q);
        }
        normd_session_queue_destroy(&queue[q]);
    }
    free(requests);
}

static void a_stopped_queue_waits_until_it_is_resumed(void **state)
{
    (void)state;
    enum { COUNT = 10, STOP = 4 };
    reset(STOP * QUEUES);
    normd_pool *pool = normd_pool_create(2);
    assert_non_null(pool);
    normd_session_queue queue;
    normd_request *requests = calloc(COUNT, sizeof *requests);
    normd_session_queue_init(&queue, pool, &work);
    for (uint32_t i = 0; i < COUNT; i++) {
        requests[i].id = i * QUEUES;
        normd_session_queue_push(&queue, &requests[i]);
    }
    wait_for(STOP + 1);
    /* Whatever else were submitted by now would have run at the pool's end. */
    normd_pool_destroy(pool);
    assert_int_equal(seen.ran[0], STOP + 1);
    pool = normd_pool_create(2);
    queue.pool = pool;
    normd_session_queue_resume(&queue);
    wait_for(COUNT);
    normd_pool_destroy(pool);
    assert_int_equal(seen.ran[0], COUNT);
    assert_int_equal(seen.order[0][COUNT - 1], (COUNT - 1) * QUEUES);
    normd_session_queue_destroy(&queue);
    free(requests);
}

static void a_queue_that_stopped_behind_its_last_request_takes_new_ones(void **state)
{
    (void)state;
    reset(0);
    normd_pool *pool = normd_pool_create(1);
    assert_non_null(pool);
    normd_session_queue queue;
    normd_request *requests = calloc(2, sizeof *requests);
    requests[1].id = QUEUES;
    normd_session_queue_init(&queue, pool, &work);
    normd_session_queue_push(&queue, &requests[0]);
    wait_for(1);
    normd_session_queue_resume(&queue);
    normd_session_queue_push(&queue, &requests[1]);
    wait_for(2);
    normd_pool_destroy(pool);
    assert_int_equal(seen.ran[0], 2);
    normd_session_queue_destroy(&queue);
    free(requests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_run_one_after_another_in_their_order),
        cmocka_unit_test(a_stopped_queue_waits_until_it_is_resumed),
        cmocka_unit_test(a_queue_that_stopped_behind_its_last_request_takes_new_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
