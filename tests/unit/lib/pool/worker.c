// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "lib/pool/pool.h"

/* Threads that sleep and wake at random times: whatever comes while one is about to sleep must not
   be lost, or a test hangs. The sleeps reach from far below to above the time that a thread spins.
 */
static void sleep_at_random(uint64_t *seed, long most_ns)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    long ns = (long)(*seed >> 33) % most_ns;
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

enum { TILES = 6, LONG_NS = 300000 };

typedef struct sleepy_loop {
    size_t sleeper; /* this tile sleeps so long that who waits for it sleeps too */
    size_t ran[TILES];
} sleepy_loop;

static void run_sleepy_tile(void *argument, size_t tile)
{
    sleepy_loop *loop = argument;
    loop->ran[tile]++;
    if (tile == loop->sleeper) {
        nanosleep(&(struct timespec){.tv_nsec = LONG_NS}, NULL);
    }
}

static bool run_sleepy_loop(normd_pool *pool, size_t number)
{
    sleepy_loop loop = {.sleeper = number % (4 * TILES)};
    normd_pool_for(pool, TILES, run_sleepy_tile, &loop);
    size_t ran = 0;
    for (size_t tile = 0; tile < TILES; tile++) {
        ran += loop.ran[tile] == 1;
    }
    return ran == TILES;
}

typedef struct sleepy_job {
    normd_job job;
    normd_pool *pool;
    uint64_t seed;
    int loops;
    bool right;
} sleepy_job;

static void run_sleepy_job(normd_job *job)
{
    sleepy_job *self = (sleepy_job *)job;
    self->right = true;
    for (int i = 0; i < self->loops; i++) {
        self->right = self->right && run_sleepy_loop(self->pool, (size_t)i);
        sleep_at_random(&self->seed, LONG_NS);
    }
}

static void no_loop_or_job_is_lost_while_threads_sleep_and_wake(void **state)
{
    (void)state;
    enum { JOBS = 12, LOOPS = 60 };
    for (int threads = 2; threads <= 5; threads++) {
        normd_pool *pool = normd_pool_create(threads);
        sleepy_job jobs[JOBS];
        uint64_t seed = (uint64_t)threads;
        for (int i = 0; i < JOBS; i++) {
            jobs[i] = (sleepy_job){{.run = run_sleepy_job}, pool, (uint64_t)i, LOOPS, false};
            normd_pool_submit(pool, &jobs[i].job, i % 3 == 0 ? NORMD_LANE_SERVE : NORMD_LANE_TRAIN);
            sleep_at_random(&seed, 10 * LONG_NS);
        }
        for (size_t i = 0; i < LOOPS; i++) {
            assert_true(run_sleepy_loop(pool, i));
            sleep_at_random(&seed, LONG_NS);
        }
        normd_pool_destroy(pool);
        for (int i = 0; i < JOBS; i++) {
            assert_true(jobs[i].right);
        }
    }
}

/* One job after another, each submitted at about the time at which the workers go to sleep. */
typedef struct counting_job {
    normd_job job;
    atomic_int *ended;
} counting_job;

static void count(normd_job *job)
{
    atomic_fetch_add(((counting_job *)job)->ended, 1);
}

static void a_job_submitted_while_workers_go_to_sleep_runs(void **state)
{
    (void)state;
    normd_pool *pool = normd_pool_create(2);
    uint64_t seed = 1;
    atomic_int ended = 0;
    for (int i = 0; i < 500; i++) {
        counting_job job = {{.run = count}, &ended};
        normd_pool_submit(pool, &job.job, i % 2 == 0 ? NORMD_LANE_SERVE : NORMD_LANE_TRAIN);
        while (atomic_load(&ended) != i + 1) {
            sleep_at_random(&seed, 20000);
        }
    }
    normd_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_loop_or_job_is_lost_while_threads_sleep_and_wake),
        cmocka_unit_test(a_job_submitted_while_workers_go_to_sleep_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
