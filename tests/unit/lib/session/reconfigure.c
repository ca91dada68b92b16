// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static const char classifier[] =
    "{'layers': [{'type': 'linear', 'in': 6, 'out': 8}, {'type': 'batch_norm'}, {'type': 'relu'},"
    " {'type': 'linear', 'out': 4}], 'loss': 'cross_entropy',"
    " 'optimizer': {'type': 'adam', 'lr': 0.01}}";

/* The session's configuration with one value of the optimizer or a layer changed. */
static normd_status change(normd_session *session, const char *list, size_t index, const char *key,
    json_t *value, normd_error *error)
{
    json_t *configuration = normd_session_configuration(session);
    json_t *node = json_object_get(configuration, list);
    if (json_is_array(node)) {
        node = json_array_get(node, index);
    }
    assert_int_equal(json_object_set_new(node, key, value), 0);
    uint64_t version;
    normd_status status = normd_session_reconfigure(session, configuration, &version, error);
    json_decref(configuration);
    return status;
}

static uint64_t version_of(normd_session *session)
{
    normd_snapshot *snapshot = normd_session_snapshot(session);
    uint64_t version = normd_snapshot_version(snapshot);
    normd_snapshot_release(snapshot);
    return version;
}

static void everything_that_fits_is_carried_over(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    normd_session *straight = fixture_session(&f, classifier);
    fixture_train_some(&f, session, 1, 4);
    fixture_train_some(&f, straight, 1, 4);
    normd_error error;
    /* There and back: the same bits of parameters, statistics and slots, and the steps go on. */
    assert_int_equal(change(session, "optimizer", 0, "lr", json_real(0.5), &error), NORMD_OK);
    assert_int_equal(version_of(session), 5);
    assert_int_equal(change(session, "optimizer", 0, "lr", json_real(0.01), &error), NORMD_OK);
    fixture_train_some(&f, session, 5, 4);
    fixture_train_some(&f, straight, 5, 4);
    normd_buffer *a = fixture_export(session);
    normd_buffer *b = fixture_export(straight);
    static const char *const names[] = {"0.weight", "1.weight", "1.running_var",
        "1.num_batches_tracked", "3.bias", "optimizer.0.weight.exp_avg",
        "optimizer.3.bias.exp_avg_sq"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        normd_array of_a = fixture_exported(a, names[i]);
        normd_array of_b = fixture_exported(b, names[i]);
        assert_memory_equal(of_a.data, of_b.data, normd_array_bytes(&of_a));
    }
    normd_buffer_release(a);
    normd_buffer_release(b);
    normd_session_destroy(session);
    normd_session_destroy(straight);
    fixture_close(&f);
}

static void another_optimizer_begins_at_step_0(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    fixture_train_some(&f, session, 1, 3);
    json_t *configuration = normd_session_configuration(session);
    json_object_set_new(configuration, "optimizer", json_string("sgd"));
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_session_reconfigure(session, configuration, &version, &error), NORMD_OK);
    json_decref(configuration);
    assert_int_equal(version, 4);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {12, 6}}, 9);
    normd_tensor labels = fixture_labels(&f, 12, 4, 9);
    normd_train_result result = fixture_train(session, &x.array, &labels.array);
    assert_int_equal(result.steps, 1);
    normd_tensor_release(&x);
    normd_tensor_release(&labels);
    normd_session_destroy(session);
    fixture_close(&f);
}

static const char norm[] = "{'layers': [{'type': 'batch_norm', 'features': 3}],"
                           " 'optimizer': {'type': 'sgd', 'lr': 0.1}}";

static normd_status backward(const fixture *f, normd_session *session, uint64_t step)
{
    normd_tensor dy = fixture_normal(f, NORMD_F32, (normd_shape){2, {5, 3}}, 77);
    normd_tensor dx;
    uint64_t version;
    normd_error error;
    normd_status status =
        normd_session_backward(session, step, true, &dy, 0, &dx, &version, &error);
    normd_tensor_release(&dx);
    return status;
}

static uint64_t forward(const fixture *f, normd_session *session)
{
    normd_tensor x = fixture_normal(f, NORMD_F32, (normd_shape){2, {5, 3}}, 5);
    normd_forward_result result;
    normd_tensor y = fixture_forward(f, session, &x.array, NULL, true, &result);
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    return result.step;
}

static void kept_steps_stay_where_their_gradients_still_fit(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, norm);
    normd_error error;
    uint64_t step = forward(&f, session);
    assert_int_equal(change(session, "optimizer", 0, "lr", json_real(1.0), &error), NORMD_OK);
    assert_int_equal(backward(&f, session, step), NORMD_OK);
    step = forward(&f, session);
    assert_int_equal(change(session, "layers", 0, "trainable", json_false(), &error), NORMD_OK);
    assert_int_equal(backward(&f, session, step), NORMD_CONTEXT_LOST);
    assert_int_equal(forward(&f, session), step + 1);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void a_wrong_configuration_changes_nothing(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, norm);
    normd_session *other = fixture_session(&f, norm);
    normd_error error;
    uint64_t step = forward(&f, session);
    forward(&f, other);
    assert_int_equal(
        change(session, "layers", 0, "eps", json_string("small"), &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(
        error.message, "layers[0].eps: expected a number in [0, inf], got \"small\"");
    assert_true(fixture_same_state(session, other));
    assert_int_equal(backward(&f, session, step), NORMD_OK);
    normd_session_destroy(session);
    normd_session_destroy(other);
    fixture_close(&f);
}

static void it_counts_as_created_from_what_it_was(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, norm);
    normd_session *fresh = fixture_session(&f, norm);
    normd_error error;
    assert_int_equal(change(session, "optimizer", 0, "lr", json_real(3.0), &error), NORMD_OK);
    assert_int_equal(change(session, "optimizer", 0, "lr", json_real(4.0), &error), NORMD_OK);
    assert_true(normd_session_same_configuration(session, fresh));
    normd_buffer *file = fixture_export(session);
    normd_session *again = NULL;
    assert_int_equal(
        normd_session_create_from(&f.engine, file->data, file->size, &again, &error), NORMD_OK);
    assert_true(normd_session_same_configuration(again, fresh));
    normd_buffer_release(file);
    normd_session_destroy(session);
    normd_session_destroy(fresh);
    normd_session_destroy(again);
    fixture_close(&f);
}

static void all_memory_is_given_back(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session_totals totals = {.sessions.limit = 1 << 20, .contexts.limit = 1 << 20};
    f.engine.totals = &totals;
    normd_session *session = fixture_session(&f, norm);
    size_t reserved = normd_budget_used(&totals.sessions);
    normd_error error;
    forward(&f, session);
    assert_int_equal(change(session, "layers", 0, "trainable", json_false(), &error), NORMD_OK);
    assert_int_equal(normd_budget_used(&totals.contexts), 0);
    assert_int_equal(change(session, "layers", 0, "trainable", json_true(), &error), NORMD_OK);
    assert_int_equal(normd_budget_used(&totals.sessions), reserved);
    normd_session_destroy(session);
    assert_int_equal(normd_budget_used(&totals.sessions), 0);
    assert_int_equal(atomic_load(&totals.bytes), 0);
    fixture_close(&f);
}

typedef struct reader {
    normd_session *session;
    atomic_bool stop;
} reader;

static void *read_on(void *argument)
{
    reader *r = argument;
    normd_shape x = {2, {5, 3}};
    while (!atomic_load(&r->stop)) {
        assert_true(normd_session_bytes(r->session) > 0);
        assert_int_equal(normd_session_output_bytes(r->session, &x), 60);
        assert_true(normd_session_state_bytes(r->session) > 0);
        normd_snapshot *snapshot = normd_session_snapshot(r->session);
        json_decref(normd_snapshot_describe(snapshot, NORMD_PYTORCH));
        normd_snapshot_release(snapshot);
    }
    return NULL;
}

static void readers_see_the_one_or_the_other(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    reader r = {.session = fixture_session(&f, norm)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
    normd_error error;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(
            change(r.session, "layers", 0, "trainable", json_boolean(i % 2), &error), NORMD_OK);
    }
    atomic_store(&r.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(version_of(r.session), 50);
    normd_session_destroy(r.session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_fits_is_carried_over),
        cmocka_unit_test(another_optimizer_begins_at_step_0),
        cmocka_unit_test(kept_steps_stay_where_their_gradients_still_fit),
        cmocka_unit_test(a_wrong_configuration_changes_nothing),
        cmocka_unit_test(it_counts_as_created_from_what_it_was),
        cmocka_unit_test(all_memory_is_given_back),
        cmocka_unit_test(readers_see_the_one_or_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
