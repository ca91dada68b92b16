// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 60, READERS = 3, ROWS = 8, IN = 5, OUT = 3 };

static const char classifier[] =
    "{'layers': [{'type': 'linear', 'in': 5, 'out': 12}, {'type': 'batch_norm'}, {'type': 'relu'},"
    " {'type': 'linear', 'out': 3}], 'loss': 'cross_entropy', 'optimizer': {'type': 'adam'}}";

static void step_once(const fixture *f, normd_session *session, uint64_t step)
{
    normd_tensor x = fixture_normal(f, NORMD_F32, (normd_shape){2, {ROWS, IN}}, step);
    normd_tensor labels = fixture_labels(f, ROWS, OUT, step);
    fixture_train(session, &x.array, &labels.array);
    normd_tensor_release(&x);
    normd_tensor_release(&labels);
}

typedef float output[ROWS * OUT];

typedef struct readers {
    const fixture *f;
    normd_session *session;
    const normd_array *x;
    const output *expected; /* of each version */
    atomic_bool stop;
    atomic_int wrong;
    atomic_int reads;
} readers;

/* Assertions of cmocka belong to the main thread, so mistakes are counted. */
static void *read_on(void *argument)
{
    readers *r = argument;
    uint64_t last = 0;
    do {
        normd_snapshot *snapshot = normd_session_snapshot(r->session);
        uint64_t version = normd_snapshot_version(snapshot);
        normd_tensor x;
        normd_tensor y;
        normd_error error;
        if (normd_tensor_take(r->f->buffers, NORMD_F32, &r->x->shape, &x, &error) != NORMD_OK) {
            atomic_fetch_add(&r->wrong, 1);
            normd_snapshot_release(snapshot);
            break;
        }
        memcpy(x.array.data, r->x->data, normd_array_bytes(r->x));
        bool ok = normd_snapshot_infer(snapshot, &x, &y, &error) == NORMD_OK && version <= STEPS &&
                  version >= last &&
                  memcmp(y.array.data, r->expected[version], sizeof(output)) == 0;
        atomic_fetch_add(&r->wrong, ok ? 0 : 1);
        atomic_fetch_add(&r->reads, 1);
        last = version;
        normd_tensor_release(&y);
        normd_snapshot_release(snapshot);
    } while (!atomic_load(&r->stop));
    return NULL;
}

/* The outputs of every version, computed by a session alone. */
static output *replay(const fixture *f, const normd_array *x)
{
    output *expected = calloc(STEPS + 1, sizeof *expected);
    assert_non_null(expected);
    normd_session *session = fixture_session(f, classifier);
    for (uint64_t version = 0; version <= STEPS; version++) {
        if (version > 0) {
            step_once(f, session, version);
        }
        normd_tensor y = fixture_infer(f, session, x);
        memcpy(expected[version], y.array.data, sizeof(output));
        normd_tensor_release(&y);
    }
    normd_session_destroy(session);
    return expected;
}

static void every_read_during_training_is_of_one_whole_version(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 2, NULL);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {ROWS, IN}}, 1000);
    output *expected = replay(&f, &x.array);
    readers r = {.f = &f, .x = &x.array, .expected = (const output *)expected};
    r.session = fixture_session(&f, classifier);
    pthread_t threads[READERS];
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &r), 0);
    }
    for (uint64_t step = 1; step <= STEPS; step++) {
        int seen = atomic_load(&r.reads);
        step_once(&f, r.session, step);
        while (atomic_load(&r.reads) == seen) {
            sched_yield();
        }
    }
    atomic_store(&r.stop, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&r.wrong), 0);
    free(expected);
    normd_tensor_release(&x);
    normd_session_destroy(r.session);
    fixture_close(&f);
}

static void a_snapshot_outlives_its_session(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {ROWS, IN}}, 1);
    normd_tensor before = fixture_infer(&f, session, &x.array);
    normd_snapshot *snapshot = normd_session_snapshot(session);
    step_once(&f, session, 1);
    normd_session_destroy(session);
    normd_tensor y;
    normd_error error;
    assert_int_equal(normd_snapshot_infer(snapshot, &x, &y, &error), NORMD_OK);
    assert_memory_equal(y.array.data, before.array.data, normd_array_bytes(&y.array));
    normd_tensor_release(&y);
    normd_tensor_release(&before);
    normd_snapshot_release(snapshot);
    fixture_close(&f);
}

static void held_snapshots_do_not_change(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    normd_snapshot *held[10];
    normd_buffer *files[10];
    normd_error error;
    for (uint64_t i = 0; i < 10; i++) {
        held[i] = normd_session_snapshot(session);
        assert_int_equal(normd_snapshot_version(held[i]), i);
        assert_int_equal(
            normd_snapshot_export(held[i], &fixture_everything, &files[i], &error), NORMD_OK);
        step_once(&f, session, i);
    }
    for (size_t i = 0; i < 10; i++) {
        normd_buffer *again = NULL;
        assert_int_equal(
            normd_snapshot_export(held[i], &fixture_everything, &again, &error), NORMD_OK);
        assert_int_equal(again->size, files[i]->size);
        assert_memory_equal(again->data, files[i]->data, again->size);
        normd_buffer_release(again);
        normd_buffer_release(files[i]);
        normd_snapshot_release(held[i]);
    }
    /* What they held goes back, but for a few slabs. */
    size_t after = normd_session_bytes(session);
    for (uint64_t i = 0; i < 10; i++) {
        step_once(&f, session, i);
    }
    assert_int_equal(normd_session_bytes(session), after);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_read_during_training_is_of_one_whole_version),
        cmocka_unit_test(a_snapshot_outlives_its_session),
        cmocka_unit_test(held_snapshots_do_not_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
