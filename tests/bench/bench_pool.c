// SPDX-License-Identifier: Apache-2.0
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/pool/pool.h"

/*
 * usage: bench-pool [THREADS [ROUNDS]]
 *
 * Microseconds a loop of the worker pool, beside OpenMP's `parallel for schedule(dynamic)` and the
 * same loop on one thread. In each round every one of the three has its turn; the median of the
 * rounds counts. Each thread is bound to a processor, or where the scheduler puts them would be
 * what is measured: some keep threads that often sleep together on one.
 */
enum {
    MAX_ROUNDS = 1001,
    TILE_US = 10,  /* of a tile with work */
    ALONE_US = 30, /* what the caller does between two loops, in the rows that have it */
    TURN_US = 10000,
    /* Between two turns: until the threads of the one before have gone to sleep. */
    REST_US = 20000,
};

typedef struct loop_case {
    size_t tiles;
    size_t tile_steps, alone_steps; /* of `work` */
    size_t loops;                   /* a turn */
    normd_pool *pool;
    int threads;
} loop_case;

typedef void (*loop_runner)(const loop_case *loop);

static double microseconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e6 * (double)now.tv_sec + 1e-3 * (double)now.tv_nsec;
}

/* Arithmetic of which each step waits for the one before. */
static void work(size_t steps)
{
    double value = 1.0;
    for (size_t i = 0; i < steps; i++) {
        value = value * 0.5 + 1.0;
        __asm__ volatile("" : "+m"(value));
    }
}

static size_t steps_of_a_microsecond(void)
{
    const size_t steps = 1000000;
    double best = 1e30;
    for (int i = 0; i < 10; i++) {
        double begin = microseconds_now();
        work(steps);
        double time = microseconds_now() - begin;
        best = time < best ? time : best;
    }
    return (size_t)((double)steps / best);
}

static void run_tile(void *argument, size_t tile)
{
    (void)tile;
    const loop_case *loop = argument;
    work(loop->tile_steps);
}

static void run_pool(const loop_case *loop)
{
    loop_case shared = *loop;
    normd_pool_for(loop->pool, loop->tiles, run_tile, &shared);
}

static void run_openmp(const loop_case *loop)
{
    loop_case shared = *loop;
#pragma omp parallel for schedule(dynamic) num_threads(loop->threads)
    for (size_t tile = 0; tile < shared.tiles; tile++) {
        run_tile(&shared, tile);
    }
}

static void run_alone(const loop_case *loop)
{
    loop_case shared = *loop;
    normd_pool_for(NULL, loop->tiles, run_tile, &shared);
}

static const loop_runner runners[] = {run_pool, run_openmp, run_alone};
enum { RUNNERS = sizeof runners / sizeof runners[0] };

/* One turn, on the main thread or as a job of the pool: microseconds a loop, without what the
   caller does alone. */
typedef struct turn {
    normd_job job;
    loop_case loop;
    loop_runner run;
    double time;
    sem_t ended;
} turn;

static void run_loops(const turn *self)
{
    for (size_t i = 0; i < self->loop.loops; i++) {
        self->run(&self->loop);
        work(self->loop.alone_steps);
    }
}

static void run_turn(turn *self)
{
    run_loops(self); /* everybody wakes up */
    double begin = microseconds_now();
    run_loops(self);
    double loops = (double)self->loop.loops;
    self->time = (microseconds_now() - begin) / loops;
    if (self->loop.alone_steps > 0) {
        self->time -= ALONE_US;
    }
}

static void run_turn_as_job(normd_job *job)
{
    turn *self = (turn *)job;
    run_turn(self);
    sem_post(&self->ended);
}

static double measure(const loop_case *loop, loop_runner run)
{
    turn self = {.job.run = run_turn_as_job, .loop = *loop, .run = run};
    usleep(REST_US);
    if (run != run_pool) {
        run_turn(&self);
        return self.time;
    }
    sem_init(&self.ended, 0, 0);
    normd_pool_submit(loop->pool, &self.job, NORMD_LANE_TRAIN);
    sem_wait(&self.ended);
    sem_destroy(&self.ended);
    return self.time;
}

/* Binds the calling thread to one of the processors that the program may use. */
static void bind_thread(const cpu_set_t *allowed, int index)
{
    int count = CPU_COUNT(allowed);
    int skip = index % count;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, allowed) && skip-- == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            pthread_setaffinity_np(pthread_self(), sizeof one, &one);
            return;
        }
    }
}

typedef struct binding {
    normd_job job;
    const cpu_set_t *allowed;
    pthread_barrier_t *all;
    int index;
} binding;

/* Waits for the others, so that each worker gets one. */
static void bind_worker(normd_job *job)
{
    binding *self = (binding *)job;
    bind_thread(self->allowed, self->index);
    pthread_barrier_wait(self->all);
}

static void bind_all(normd_pool *pool, int threads)
{
    static binding bindings[NORMD_POOL_MAX_THREADS];
    cpu_set_t allowed;
    sched_getaffinity(0, sizeof allowed, &allowed);
    pthread_barrier_t all;
    pthread_barrier_init(&all, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        bindings[i] = (binding){{.run = bind_worker}, &allowed, &all, i};
        normd_pool_submit(pool, &bindings[i].job, NORMD_LANE_TRAIN);
    }
    pthread_barrier_wait(&all);
#pragma omp parallel num_threads(threads)
    bind_thread(&allowed, omp_get_thread_num());
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static void report(const loop_case *loop, const char *name, size_t rounds)
{
    static double times[RUNNERS][MAX_ROUNDS];
    double median[RUNNERS];
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < RUNNERS; i++) {
            times[i][round] = measure(loop, runners[i]);
        }
    }
    for (size_t i = 0; i < RUNNERS; i++) {
        qsort(times[i], rounds, sizeof times[i][0], by_value);
        median[i] = times[i][rounds / 2];
    }
    printf("%5zu  %-26s %9.2f %9.2f %9.2f %12.2f %11.2f\n", loop->tiles, name, median[0], median[1],
        median[2], median[1] / median[0], median[2] / median[0]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : omp_get_num_procs();
    int rounds = argc > 2 ? atoi(argv[2]) : 15;
    normd_pool *pool = normd_pool_create(threads);
    if (pool == NULL || rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: bench-pool [THREADS [ROUNDS]]\n");
        return EXIT_FAILURE;
    }
    bind_all(pool, threads);
    size_t steps = steps_of_a_microsecond();
    const struct {
        const char *name;
        size_t tile_us, alone_us;
    } kinds[] = {
        {"empty tiles", 0, 0},
        {"10 us a tile", TILE_US, 0},
        {"10 us a tile, 30 us alone", TILE_US, ALONE_US},
    };
    printf("%d threads, microseconds a loop\n%5s  %-26s %9s %9s %9s %12s %11s\n", threads, "tiles",
        "", "pool", "OpenMP", "alone", "OpenMP/pool", "alone/pool");
    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
        for (size_t tiles = 2; tiles <= 64; tiles *= 2) {
            size_t loop_us = kinds[kind].alone_us + tiles * kinds[kind].tile_us + 1;
            loop_case loop = {
                .tiles = tiles,
                .tile_steps = kinds[kind].tile_us * steps,
                .alone_steps = kinds[kind].alone_us * steps,
                .loops = 1 + TURN_US / loop_us,
                .pool = pool,
                .threads = threads,
            };
            report(&loop, kinds[kind].name, (size_t)rounds);
        }
    }
    normd_pool_destroy(pool);
    return EXIT_SUCCESS;
}
