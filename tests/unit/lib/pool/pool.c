// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "lib/pool/pool.h"

enum { MANY = 1000 };

/* Jobs that note in which order they ran. */
typedef struct run_journal {
    pthread_mutex_t lock;
    int length;
    int numbers[MANY];
} run_journal;

typedef struct noting_job {
    normd_job job;
    int number;
    run_journal *journal;
} noting_job;

static void note(normd_job *job)
{
    noting_job *noting = (noting_job *)job;
    pthread_mutex_lock(&noting->journal->lock);
    noting->journal->numbers[noting->journal->length++] = noting->number;
    pthread_mutex_unlock(&noting->journal->lock);
}

/* A job that says that it has begun and ends when it may; the semaphores outlive the pool. */
typedef struct gate_job {
    normd_job job;
    sem_t *begun, *open;
} gate_job;

static void pass_gate(normd_job *job)
{
    gate_job *gate = (gate_job *)job;
    sem_post(gate->begun);
    sem_wait(gate->open);
}

/* A job that submits the next one of a chain. */
typedef struct chain_job {
    normd_job job;
    normd_pool *pool;
    atomic_int *runs;
    int left;
} chain_job;

static void run_chain(normd_job *job)
{
    chain_job *chain = (chain_job *)job;
    atomic_fetch_add(chain->runs, 1);
    if (chain->left-- > 0) {
        normd_pool_submit(
            chain->pool, job, chain->left % 2 == 0 ? NORMD_LANE_TRAIN : NORMD_LANE_SERVE);
    }
}

static void a_pool_has_as_many_workers_as_asked(void **state)
{
    (void)state;
    assert_null(normd_pool_create(0));
    assert_null(normd_pool_create(-1));
    assert_null(normd_pool_create(NORMD_POOL_MAX_THREADS + 1));
    for (int threads = 1; threads <= 8; threads++) {
        normd_pool *pool = normd_pool_create(threads);
        assert_non_null(pool);
        assert_int_equal(normd_pool_threads(pool), threads);
        normd_pool_destroy(pool);
    }
    normd_pool_destroy(NULL);
}

static void one_worker_runs_a_lane_in_the_order_of_submission(void **state)
{
    (void)state;
    normd_pool *pool = normd_pool_create(1);
    run_journal journal = {.lock = PTHREAD_MUTEX_INITIALIZER};
    noting_job jobs[MANY];
    for (int i = 0; i < MANY; i++) {
        jobs[i] = (noting_job){{.run = note}, i, &journal};
        normd_pool_submit(pool, &jobs[i].job, NORMD_LANE_TRAIN);
    }
    normd_pool_destroy(pool);
    assert_int_equal(journal.length, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(journal.numbers[i], i);
    }
}

static void serving_jobs_end_while_every_worker_trains(void **state)
{
    (void)state;
    enum { WORKERS = 3, SERVED = 50 };
    normd_pool *pool = normd_pool_create(WORKERS);
    sem_t train_begun, train_open, serve_begun, serve_open;
    sem_init(&train_begun, 0, 0);
    sem_init(&train_open, 0, 0);
    sem_init(&serve_begun, 0, 0);
    sem_init(&serve_open, 0, SERVED);
    gate_job training[WORKERS], serving[SERVED];
    for (int i = 0; i < WORKERS; i++) {
        training[i] = (gate_job){{.run = pass_gate}, &train_begun, &train_open};
        normd_pool_submit(pool, &training[i].job, NORMD_LANE_TRAIN);
    }
    for (int i = 0; i < WORKERS; i++) {
        sem_wait(&train_begun);
    }
    for (int i = 0; i < SERVED; i++) {
        serving[i] = (gate_job){{.run = pass_gate}, &serve_begun, &serve_open};
        normd_pool_submit(pool, &serving[i].job, NORMD_LANE_SERVE);
    }
    for (int i = 0; i < SERVED; i++) {
        sem_wait(&serve_begun); /* hangs until the time limit were serving to wait for training */
    }
    for (int i = 0; i < WORKERS; i++) {
        sem_post(&train_open);
    }
    normd_pool_destroy(pool);
    sem_destroy(&train_begun);
    sem_destroy(&train_open);
    sem_destroy(&serve_begun);
    sem_destroy(&serve_open);
}

/* One worker and the serving thread are held; what waits then is a training job, submitted first,
   and a serving job. When the worker alone is let go it must take the serving job first. */
static void a_worker_takes_serving_jobs_before_training_jobs(void **state)
{
    (void)state;
    normd_pool *pool = normd_pool_create(1);
    sem_t begun, worker_open, server_open;
    sem_init(&begun, 0, 0);
    sem_init(&worker_open, 0, 0);
    sem_init(&server_open, 0, 0);
    gate_job worker = {{.run = pass_gate}, &begun, &worker_open};
    gate_job server = {{.run = pass_gate}, &begun, &server_open};
    normd_pool_submit(pool, &worker.job, NORMD_LANE_TRAIN);
    sem_wait(&begun);
    normd_pool_submit(pool, &server.job, NORMD_LANE_SERVE);
    sem_wait(&begun);
    run_journal journal = {.lock = PTHREAD_MUTEX_INITIALIZER};
    noting_job train = {{.run = note}, 1, &journal};
    noting_job serve = {{.run = note}, 0, &journal};
    gate_job end = {{.run = pass_gate}, &begun, &worker_open};
    normd_pool_submit(pool, &train.job, NORMD_LANE_TRAIN);
    normd_pool_submit(pool, &serve.job, NORMD_LANE_SERVE);
    normd_pool_submit(pool, &end.job, NORMD_LANE_TRAIN);
    sem_post(&worker_open);
    sem_wait(&begun);
    sem_post(&worker_open);
    sem_post(&server_open);
    normd_pool_destroy(pool);
    assert_int_equal(journal.length, 2);
    assert_int_equal(journal.numbers[0], 0);
    assert_int_equal(journal.numbers[1], 1);
    sem_destroy(&begun);
    sem_destroy(&worker_open);
    sem_destroy(&server_open);
}

static void destroying_a_pool_runs_what_waits_and_what_that_submits(void **state)
{
    (void)state;
    enum { CHAINS = 20, LENGTH = 50 };
    for (int threads = 1; threads <= 4; threads++) {
        normd_pool *pool = normd_pool_create(threads);
        atomic_int runs = 0;
        chain_job chains[CHAINS];
        for (int i = 0; i < CHAINS; i++) {
            chains[i] = (chain_job){{.run = run_chain}, pool, &runs, LENGTH - 1};
            normd_pool_submit(pool, &chains[i].job, NORMD_LANE_TRAIN);
        }
        normd_pool_destroy(pool);
        assert_int_equal(atomic_load(&runs), CHAINS * LENGTH);
    }
}

/* A job of the serving thread that submits a training job when the pool is being destroyed already
   and every worker has nothing to do. The sleep only makes that likely. */
typedef struct late_job {
    normd_job job, late;
    normd_pool *pool;
    sem_t *begun;
    bool late_ran;
} late_job;

static void run_late(normd_job *job)
{
    late_job *self = (late_job *)(void *)((char *)job - offsetof(late_job, late));
    self->late_ran = true;
}

static void submit_late(normd_job *job)
{
    late_job *self = (late_job *)job;
    char name[16];
    pthread_getname_np(pthread_self(), name, sizeof name);
    if (strcmp(name, "normd-serve") != 0) {
        normd_pool_submit(self->pool, job, NORMD_LANE_SERVE); /* a worker got it: try again */
        return;
    }
    sem_post(self->begun);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    normd_pool_submit(self->pool, &self->late, NORMD_LANE_TRAIN);
}

static void a_serving_job_may_submit_training_while_the_pool_is_destroyed(void **state)
{
    (void)state;
    sem_t begun;
    sem_init(&begun, 0, 0);
    late_job job = {{.run = submit_late}, {.run = run_late}, normd_pool_create(2), &begun, false};
    normd_pool_submit(job.pool, &job.job, NORMD_LANE_SERVE);
    sem_wait(&begun);
    normd_pool_destroy(job.pool);
    assert_true(job.late_ran);
    sem_destroy(&begun);
}

typedef struct mask_job {
    normd_job job;
    sigset_t blocked;
} mask_job;

static void read_signal_mask(normd_job *job)
{
    mask_job *mask = (mask_job *)job;
    pthread_sigmask(SIG_SETMASK, NULL, &mask->blocked);
}

static void workers_block_signals_and_the_caller_keeps_its_mask(void **state)
{
    (void)state;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    normd_pool *pool = normd_pool_create(1);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    mask_job train = {.job.run = read_signal_mask}, serve = {.job.run = read_signal_mask};
    normd_pool_submit(pool, &train.job, NORMD_LANE_TRAIN);
    normd_pool_submit(pool, &serve.job, NORMD_LANE_SERVE);
    normd_pool_destroy(pool);
    const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        assert_int_equal(sigismember(&after, signals[i]), sigismember(&before, signals[i]));
        assert_int_equal(sigismember(&train.blocked, signals[i]), 1);
        assert_int_equal(sigismember(&serve.blocked, signals[i]), 1);
    }
}

/* Submits from several threads at once; every job runs exactly once. */
typedef struct submission {
    normd_pool *pool;
    noting_job *jobs;
    int count;
} submission;

static void *submit_all(void *argument)
{
    submission *submitted = argument;
    for (int i = 0; i < submitted->count; i++) {
        normd_pool_submit(submitted->pool, &submitted->jobs[i].job,
            i % 3 == 0 ? NORMD_LANE_SERVE : NORMD_LANE_TRAIN);
    }
    return NULL;
}

static void every_job_of_many_submitters_runs_once(void **state)
{
    (void)state;
    enum { SUBMITTERS = 4, ROUNDS = 10 };
    for (int round = 0; round < ROUNDS; round++) {
        normd_pool *pool = normd_pool_create(1 + round % 4);
        run_journal journal = {.lock = PTHREAD_MUTEX_INITIALIZER};
        noting_job jobs[MANY];
        for (int i = 0; i < MANY; i++) {
            jobs[i] = (noting_job){{.run = note}, i, &journal};
        }
        submission submitters[SUBMITTERS];
        pthread_t ids[SUBMITTERS];
        for (int i = 0; i < SUBMITTERS; i++) {
            submitters[i] = (submission){pool, jobs + i * (MANY / SUBMITTERS), MANY / SUBMITTERS};
            assert_int_equal(pthread_create(&ids[i], NULL, submit_all, &submitters[i]), 0);
        }
        for (int i = 0; i < SUBMITTERS; i++) {
            pthread_join(ids[i], NULL);
        }
        normd_pool_destroy(pool);
        bool ran[MANY] = {false};
        assert_int_equal(journal.length, MANY);
        for (int i = 0; i < MANY; i++) {
            assert_false(ran[journal.numbers[i]]);
            ran[journal.numbers[i]] = true;
        }
    }
}

/* Waits until all threads of the pool sleep, then gives them one job: no wake-up may be lost. The
   sleep only makes the case likely; the test is right however long it takes. */
static void sleeping_threads_wake_for_each_lane(void **state)
{
    (void)state;
    normd_pool *pool = normd_pool_create(2);
    sem_t begun, open;
    sem_init(&begun, 0, 0);
    sem_init(&open, 0, 0);
    gate_job jobs[20];
    for (int i = 0; i < 20; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        jobs[i] = (gate_job){{.run = pass_gate}, &begun, &open};
        sem_post(&open);
        normd_pool_submit(pool, &jobs[i].job, i % 2 == 0 ? NORMD_LANE_SERVE : NORMD_LANE_TRAIN);
        sem_wait(&begun);
    }
    normd_pool_destroy(pool);
    sem_destroy(&begun);
    sem_destroy(&open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_has_as_many_workers_as_asked),
        cmocka_unit_test(one_worker_runs_a_lane_in_the_order_of_submission),
        cmocka_unit_test(serving_jobs_end_while_every_worker_trains),
        cmocka_unit_test(a_worker_takes_serving_jobs_before_training_jobs),
        cmocka_unit_test(destroying_a_pool_runs_what_waits_and_what_that_submits),
        cmocka_unit_test(a_serving_job_may_submit_training_while_the_pool_is_destroyed),
        cmocka_unit_test(workers_block_signals_and_the_caller_keeps_its_mask),
        cmocka_unit_test(every_job_of_many_submitters_runs_once),
        cmocka_unit_test(sleeping_threads_wake_for_each_lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
