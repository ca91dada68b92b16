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

typedef void (*loop_runner)(normd_pool *, size_t, normd_tile_function, void *);
static const loop_runner runners[] = {normd_pool_for, normd_pool_for_reversed};

/* Runs the loop; false when some tile did not run exactly once. */
static bool run_counting_loop(normd_pool *pool, size_t tiles, loop_runner run)
{
    counting_loop loop = {.tiles = tiles};
    run(pool, tiles, count_tile, &loop);
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
    /* 70 threads share blocks. */
    const int threads[] = {1, 2, 3, 4, 5, 7, 8, 70};
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        normd_pool *pool = normd_pool_create(threads[i]);
        for (size_t tiles = 0; tiles <= MAX_TILES; tiles += 1 + tiles / 4) {
            assert_true(run_counting_loop(pool, tiles, normd_pool_for));
            assert_true(run_counting_loop(pool, tiles, normd_pool_for_reversed));
        }
        normd_pool_destroy(pool);
    }
}

/* A loop that notes the order of its tiles; for one thread. */
typedef struct noting_loop {
    size_t length;
    size_t tiles[MAX_TILES];
} noting_loop;

static void note_tile(void *argument, size_t tile)
{
    noting_loop *loop = argument;
    loop->tiles[loop->length++] = tile;
}

static void a_loop_on_one_thread_goes_up_and_reversed_down(void **state)
{
    (void)state;
    normd_pool *pools[] = {NULL, normd_pool_create(1)};
    for (size_t p = 0; p < 2; p++) {
        for (size_t tiles = 0; tiles <= MAX_TILES; tiles = tiles * 2 + 1) {
            noting_loop up = {0};
            noting_loop down = {0};
            normd_pool_for(pools[p], tiles, note_tile, &up);
            normd_pool_for_reversed(pools[p], tiles, note_tile, &down);
            assert_int_equal(up.length, tiles);
            assert_int_equal(down.length, tiles);
            for (size_t i = 0; i < tiles; i++) {
                assert_int_equal(up.tiles[i], i);
                assert_int_equal(down.tiles[i], tiles - 1 - i);
            }
        }
    }
    normd_pool_destroy(pools[1]);
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
        looping->right =
            looping->right && run_counting_loop(looping->pool, tiles * 5, runners[i % 2]);
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

/* More callers at a time than a pool of two threads has places for loops. */
typedef struct outside_caller {
    pthread_t id;
    normd_pool *pool;
    bool right;
} outside_caller;

static void *run_loops_outside(void *argument)
{
    outside_caller *self = argument;
    self->right = true;
    for (size_t i = 0; i < 300; i++) {
        self->right = self->right && run_counting_loop(self->pool, i % 40, runners[i % 2]);
    }
    return NULL;
}

static void any_number_of_threads_may_call_at_once(void **state)
{
    (void)state;
    outside_caller callers[8];
    normd_pool *pool = normd_pool_create(2);
    for (size_t i = 0; i < 8; i++) {
        callers[i] = (outside_caller){.pool = pool};
        assert_int_equal(pthread_create(&callers[i].id, NULL, run_loops_outside, &callers[i]), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(callers[i].id, NULL);
        assert_true(callers[i].right);
    }
    normd_pool_destroy(pool);
}

/* Holds the workers of a pool. */
typedef struct holding_job {
    normd_job job;
    sem_t *held, *open;
} holding_job;

static void hold_worker(normd_job *job)
{
    holding_job *self = (holding_job *)job;
    sem_post(self->held);
    sem_wait(self->open);
}

static void each_block_goes_up_and_reversed_down(void **state)
{
    (void)state;
    enum { WORKERS = 3, TILES = 7 };
    normd_pool *pool = normd_pool_create(WORKERS);
    sem_t held, open;
    sem_init(&held, 0, 0);
    sem_init(&open, 0, 0);
    holding_job jobs[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        jobs[i] = (holding_job){{.run = hold_worker}, &held, &open};
        normd_pool_submit(pool, &jobs[i].job, NORMD_LANE_TRAIN);
    }
    for (int i = 0; i < WORKERS; i++) {
        sem_wait(&held);
    }
    noting_loop up = {0};
    noting_loop down = {0};
    normd_pool_for(pool, TILES, note_tile, &up);
    normd_pool_for_reversed(pool, TILES, note_tile, &down);
    for (int i = 0; i < WORKERS; i++) {
        sem_post(&open);
    }
    normd_pool_destroy(pool);
    sem_destroy(&held);
    sem_destroy(&open);
    /* 7 tiles in 3 blocks: 3, 2 and 2. */
    const size_t reversed[TILES] = {2, 1, 0, 4, 3, 6, 5};
    for (size_t i = 0; i < TILES; i++) {
        assert_int_equal(up.tiles[i], i);
        assert_int_equal(down.tiles[i], reversed[i]);
    }
}

/* One of the two threads stays inside its first tile until all the other tiles ran. */
typedef struct uneven_loop {
    pthread_t caller;
    bool caller_is_slow;
    atomic_bool slow_began;
    atomic_size_t ran;
    size_t tiles;
} uneven_loop;

static void run_uneven_tile(void *argument, size_t tile)
{
    (void)tile;
    uneven_loop *loop = argument;
    bool slow = (bool)pthread_equal(pthread_self(), loop->caller) == loop->caller_is_slow;
    if (slow && !atomic_exchange(&loop->slow_began, true)) {
        while (atomic_load(&loop->ran) != loop->tiles - 1) {
            sched_yield();
        }
    }
    while (!slow && !atomic_load(&loop->slow_began)) {
        sched_yield();
    }
    atomic_fetch_add(&loop->ran, 1);
}

static void tiles_of_a_slow_thread_are_taken_by_others(void **state)
{
    (void)state;
    normd_pool *pool = normd_pool_create(2);
    for (int i = 0; i < 100; i++) {
        uneven_loop loop = {
            .caller = pthread_self(), .caller_is_slow = i % 2 == 0, .tiles = (size_t)(2 + i)};
        runners[i / 2 % 2](pool, loop.tiles, run_uneven_tile, &loop);
        assert_int_equal(atomic_load(&loop.ran), loop.tiles);
    }
    normd_pool_destroy(pool);
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

/* As both threads are in a tile at once, each runs one; it is the same one in every loop. */
typedef struct owned_loop {
    normd_job job;
    normd_pool *pool;
    sem_t arrived[2];
    pthread_t owners[2];
    int changes;
} owned_loop;

static void meet_in_owned_tile(void *argument, size_t tile)
{
    owned_loop *loop = argument;
    meet_in_tile(loop->arrived, tile);
    if (!pthread_equal(loop->owners[tile], pthread_self())) {
        loop->owners[tile] = pthread_self();
        if (tile == 0) {
            loop->changes++;
        }
    }
}

static void run_owned_loops(normd_job *job)
{
    owned_loop *loop = (owned_loop *)job;
    loop->owners[0] = loop->owners[1] = pthread_self();
    normd_pool_for(loop->pool, 2, meet_in_owned_tile, loop);
    loop->changes = 0;
    for (size_t i = 0; i < 200; i++) {
        runners[i % 2](loop->pool, 2, meet_in_owned_tile, loop);
    }
}

static void a_thread_gets_the_same_tiles_of_the_next_loop(void **state)
{
    (void)state;
    owned_loop loop = {.job.run = run_owned_loops, .pool = normd_pool_create(2)};
    sem_init(&loop.arrived[0], 0, 0);
    sem_init(&loop.arrived[1], 0, 0);
    normd_pool_submit(loop.pool, &loop.job, NORMD_LANE_TRAIN);
    normd_pool_destroy(loop.pool);
    assert_int_equal(loop.changes, 0);
    sem_destroy(&loop.arrived[0]);
    sem_destroy(&loop.arrived[1]);
}

/* Many short loops after one another on the same stack place: a helper that touched a loop after
   its caller had returned would count in the next one. */
static void no_helper_touches_a_loop_that_is_over(void **state)
{
    (void)state;
    normd_pool *pool = normd_pool_create(4);
    for (int i = 0; i < 3000; i++) {
        assert_true(run_counting_loop(pool, (size_t)(2 + i % 5), runners[i % 2]));
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
        cmocka_unit_test(a_loop_on_one_thread_goes_up_and_reversed_down),
        cmocka_unit_test(loops_of_many_jobs_at_once_run_every_tile_once),
        cmocka_unit_test(any_number_of_threads_may_call_at_once),
        cmocka_unit_test(each_block_goes_up_and_reversed_down),
        cmocka_unit_test(tiles_of_a_slow_thread_are_taken_by_others),
        cmocka_unit_test(an_idle_worker_helps_a_loop),
        cmocka_unit_test(a_thread_gets_the_same_tiles_of_the_next_loop),
        cmocka_unit_test(no_helper_touches_a_loop_that_is_over),
        cmocka_unit_test(a_helper_leaves_its_loop_for_a_serving_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
