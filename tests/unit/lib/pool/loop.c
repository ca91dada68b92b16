// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "lib/pool/pool.h"

enum { MAX_TILES = 500 };

/* A loop that counts how often each tile ran. */
typedef struct counting_loop {
    size_t tiles;
    atomic_int ran[MAX_TILES];
} counting_loop;

static void count_tile(void *argument, size_t tile)
{
    counting_loop *loop = argument;
    assert(tile < loop->tiles);
    atomic_fetch_add_explicit(&loop->ran[tile], 1, memory_order_relaxed);
}

/* Runs the loop; false when some tile did not run exactly once. */
static bool run_counting_loop(normd_pool *pool, size_t tiles)
{
    counting_loop loop = {.tiles = tiles};
    normd_pool_for(pool, tiles, count_tile, &loop);
    for (size_t i = 0; i < MAX_TILES; i++) {
        if (atomic_load_explicit(&loop.ran[i], memory_order_relaxed) != (i < tiles)) {
            return false;
        }
    }
    return true;
}

static void a_loop_runs_every_tile_once_from_outside_a_job(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 8; threads++) {
        normd_pool *pool = normd_pool_create(threads);
        for (size_t tiles = 0; tiles <= MAX_TILES; tiles = tiles * 2 + 1) {
            assert_true(run_counting_loop(pool, tiles));
        }
        normd_pool_destroy(pool);
    }
}

static void a_loop_without_a_pool_runs_as_written(void **state)
{
    (void)state;
    assert_true(run_counting_loop(NULL, 0));
    assert_true(run_counting_loop(NULL, 1));
    assert_true(run_counting_loop(NULL, 77));
}

/* Plain memory written by tiles is visible to the caller when the loop returns: under
   ThreadSanitizer a missing happens-before is an error. */
static void square_tile(void *argument, size_t tile)
{
    size_t *squares = argument;
    squares[tile] = tile * tile;
}

typedef struct looping_job {
    normd_job job;
    normd_pool *pool;
    int loops;
    bool right;
} looping_job;

static void run_loops(normd_job *job)
{
    looping_job *looping = (looping_job *)job;
    looping->right = true;
    for (int i = 0; i < looping->loops; i++) {
        size_t tiles = (size_t)(i * 7 % 40);
        size_t squares[40] = {0};
        normd_pool_for(looping->pool, tiles, square_tile, squares);
        for (size_t tile = 0; tile < tiles; tile++) {
            looping->right = looping->right && squares[tile] == tile * tile;
        }
        looping->right = looping->right && run_counting_loop(looping->pool, tiles * 5);
    }
}

static void loops_of_many_jobs_at_once_run_every_tile_once(void **state)
{
    (void)state;
    enum { JOBS = 24 };
    for (int threads = 1; threads <= 8; threads++) {
        normd_pool *pool = normd_pool_create(threads);
        looping_job jobs[JOBS];
        for (int i = 0; i < JOBS; i++) {
            jobs[i] = (looping_job){{.run = run_loops}, pool, 40, false};
            normd_pool_submit(pool, &jobs[i].job, i % 4 == 0 ? NORMD_LANE_SERVE : NORMD_LANE_TRAIN);
        }
        normd_pool_destroy(pool);
        for (int i = 0; i < JOBS; i++) {
            assert_true(jobs[i].right);
        }
    }
}

/* Both tiles must be inside of the loop at once: the first to come waits for the other. */
static void meet_in_tile(void *argument, size_t tile)
{
    sem_t *arrived = argument;
    sem_post(&arrived[tile]);
    sem_wait(&arrived[1 - tile]);
}

static void an_idle_worker_helps_a_loop(void **state)
{
    (void)state;
    normd_pool *pool = normd_pool_create(2);
    sem_t arrived[2];
    sem_init(&arrived[0], 0, 0);
    sem_init(&arrived[1], 0, 0);
    for (int i = 0; i < 200; i++) {
        normd_pool_for(pool, 2, meet_in_tile, arrived);
    }
    normd_pool_destroy(pool);
    sem_destroy(&arrived[0]);
    sem_destroy(&arrived[1]);
}

/* Many short loops after one another on the same stack place: a helper that touched a loop after
   its caller had returned would count in the next one. */
static void no_helper_touches_a_loop_that_is_over(void **state)
{
    (void)state;
    normd_pool *pool = normd_pool_create(4);
    for (int i = 0; i < 3000; i++) {
        assert_true(run_counting_loop(pool, (size_t)(2 + i % 5)));
    }
    normd_pool_destroy(pool);
}

/* A helper leaves its loop when a serving job waits. The serving thread is held, the caller of the
   loop stays inside its first tile until the serving job ran, and the helper stays inside its
   first tile until that job was submitted: were it not to leave then, it would take all the
   tiles that are left. */
typedef struct long_loop {
    normd_job job;
    normd_job holding, serving;
    normd_pool *pool;
    pthread_t caller;
    sem_t server_held, server_open, helping;
    atomic_bool submitted, served;
    atomic_int helped_tiles, helped_tiles_when_served;
} long_loop;

#define LONG_LOOP(member_pointer, member)                                                          \
    ((long_loop *)(void *)((char *)(member_pointer)-offsetof(long_loop, member)))

static void hold_serving_thread(normd_job *job)
{
    long_loop *loop = LONG_LOOP(job, holding);
    char name[16];
    pthread_getname_np(pthread_self(), name, sizeof name);
    if (strcmp(name, "normd-serve") != 0) {
        normd_pool_submit(loop->pool, job, NORMD_LANE_SERVE); /* a worker got it: try again */
        return;
    }
    sem_post(&loop->server_held);
    sem_wait(&loop->server_open);
}

static void serve_during_loop(normd_job *job)
{
    long_loop *loop = LONG_LOOP(job, serving);
    atomic_store(&loop->helped_tiles_when_served, atomic_load(&loop->helped_tiles));
    atomic_store(&loop->served, true);
}

static void long_tile(void *argument, size_t tile)
{
    (void)tile;
    long_loop *loop = argument;
    if (pthread_equal(pthread_self(), loop->caller)) {
        while (!atomic_load(&loop->served)) {
            sched_yield();
        }
        return;
    }
    if (atomic_fetch_add(&loop->helped_tiles, 1) == 0) {
        sem_post(&loop->helping);
    }
    while (!atomic_load(&loop->submitted)) {
        sched_yield();
    }
}

static void run_long_loop(normd_job *job)
{
    long_loop *loop = LONG_LOOP(job, job);
    loop->caller = pthread_self();
    normd_pool_for(loop->pool, 1000, long_tile, loop);
}

static void a_helper_leaves_its_loop_for_a_serving_job(void **state)
{
    (void)state;
    long_loop loop = {.job.run = run_long_loop,
        .holding.run = hold_serving_thread,
        .serving.run = serve_during_loop,
        .pool = normd_pool_create(2)};
    sem_init(&loop.server_held, 0, 0);
    sem_init(&loop.server_open, 0, 0);
    sem_init(&loop.helping, 0, 0);
    normd_pool_submit(loop.pool, &loop.holding, NORMD_LANE_SERVE);
    sem_wait(&loop.server_held);
    normd_pool_submit(loop.pool, &loop.job, NORMD_LANE_TRAIN);
    sem_wait(&loop.helping);
    normd_pool_submit(loop.pool, &loop.serving, NORMD_LANE_SERVE);
    atomic_store(&loop.submitted, true);
    while (!atomic_load(&loop.served)) {
        sched_yield();
    }
    sem_post(&loop.server_open);
    normd_pool_destroy(loop.pool);
    assert_int_equal(atomic_load(&loop.helped_tiles_when_served), 1);
    sem_destroy(&loop.server_held);
    sem_destroy(&loop.server_open);
    sem_destroy(&loop.helping);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_runs_every_tile_once_from_outside_a_job),
        cmocka_unit_test(a_loop_without_a_pool_runs_as_written),
        cmocka_unit_test(loops_of_many_jobs_at_once_run_every_tile_once),
        cmocka_unit_test(an_idle_worker_helps_a_loop),
        cmocka_unit_test(no_helper_touches_a_loop_that_is_over),
        cmocka_unit_test(a_helper_leaves_its_loop_for_a_serving_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
