// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/session/statistics.h"

#define LAYERS(first)                                                                              \
    "'layers': [{'type': 'linear', 'out': 8" first                                                 \
    "}, {'type': 'batch_norm', 'weight_init': 'random_normal'}, {'type': 'relu'},"                 \
    " {'type': 'linear', 'out': 4, 'bias_init': [1, 2, 3, 4]}], 'loss': 'cross_entropy',"          \
    " 'optimizer': {'type': 'adam', 'lr': 0.01}, 'seed': 5"
static const char lazy[] = "{" LAYERS("") "}";
static const char told[] = "{" LAYERS(", 'in': 6") "}";

static normd_status train_on(
    normd_session *session, const normd_tensor *x, const normd_tensor *labels, normd_error *error)
{
    normd_train_result result;
    normd_train_batch batch = {.x = &x->array, .target = &labels->array};
    return normd_session_train(session, &batch, &result, error);
}

static normd_status train(
    const fixture *f, normd_session *session, size_t features, uint64_t stream, normd_error *error)
{
    normd_tensor x = fixture_normal(f, NORMD_F32, (normd_shape){2, {12, features}}, stream);
    normd_tensor labels = fixture_labels(f, 12, 4, stream);
    normd_status status = train_on(session, &x, &labels, error);
    normd_tensor_release(&x);
    normd_tensor_release(&labels);
    return status;
}

/* Bits of every tensor. */
static void expect_same_tensors(normd_session *a, normd_session *b)
{
    static const char *const names[] = {"0.weight", "0.bias", "1.weight", "1.bias",
        "1.running_mean", "1.running_var", "1.num_batches_tracked", "3.weight", "3.bias",
        "optimizer.0.weight.exp_avg", "optimizer.1.bias.exp_avg_sq"};
    normd_buffer *of_a = fixture_export(a);
    normd_buffer *of_b = fixture_export(b);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        normd_array one = fixture_exported(of_a, names[i]);
        normd_array other = fixture_exported(of_b, names[i]);
        assert_true(normd_shape_equal(&one.shape, &other.shape));
        assert_memory_equal(one.data, other.data, normd_array_bytes(&one));
    }
    normd_buffer_release(of_a);
    normd_buffer_release(of_b);
}

static json_t *described(normd_session *session, size_t layer)
{
    normd_snapshot *snapshot = normd_session_snapshot(session);
    json_t *description = normd_snapshot_describe(snapshot, NORMD_PYTORCH);
    json_t *one = json_incref(json_array_get(json_object_get(description, "layers"), layer));
    json_decref(description);
    normd_snapshot_release(snapshot);
    return one;
}

static void expect_lazy(normd_session *session, bool is_lazy)
{
    json_t *layer = described(session, 0);
    assert_int_equal(json_is_null(json_object_get(layer, "in")), is_lazy);
    assert_int_equal(json_is_true(json_object_get(layer, "lazy")), is_lazy);
    json_decref(layer);
}

static void the_first_batch_gives_what_features_that_were_told_would(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 2, NULL);
    normd_session *a = fixture_session(&f, lazy);
    normd_session *b = fixture_session(&f, told);
    normd_session *again = fixture_session(&f, lazy);
    normd_error error;
    expect_lazy(a, true);
    for (uint64_t step = 1; step <= 3; step++) {
        assert_int_equal(train(&f, a, 6, step, &error), NORMD_OK);
        assert_int_equal(train(&f, b, 6, step, &error), NORMD_OK);
        expect_same_tensors(a, b);
    }
    expect_lazy(a, false);
    normd_snapshot *snapshot = normd_session_snapshot(a);
    assert_int_equal(normd_snapshot_version(snapshot), 3);
    normd_snapshot_release(snapshot);
    /* It is still the session that was created without features. */
    assert_true(normd_session_same_configuration(a, again));
    assert_false(normd_session_same_configuration(a, b));
    assert_int_equal(train(&f, a, 5, 9, &error), NORMD_BAD_SHAPE);
    assert_string_equal(error.message, "x: expected (N, ..., 6), got (12, 5)");
    normd_session_destroy(a);
    normd_session_destroy(b);
    normd_session_destroy(again);
    fixture_close(&f);
}

static void a_first_batch_that_fails_leaves_it_lazy(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, lazy);
    normd_error error;
    normd_tensor labels = fixture_labels(&f, 12, 4, 1);
    normd_tensor cube = fixture_normal(&f, NORMD_F32, (normd_shape){3, {12, 6, 2}}, 1);
    assert_int_equal(train_on(session, &cube, &labels, &error), NORMD_BAD_SHAPE);
    assert_string_equal(error.message,
        "x: expected a shape that the layers take, got (12, 6, 2); layers[1].features: expected 6, "
        "what comes before, got 8");
    normd_tensor row = fixture_normal(&f, NORMD_F32, (normd_shape){1, {12}}, 1);
    assert_int_equal(train_on(session, &row, &labels, &error), NORMD_BAD_SHAPE);
    normd_tensor bad = fixture_normal(&f, NORMD_F32, (normd_shape){2, {12, 5}}, 1);
    fixture_put(&bad.array, 3, NAN);
    assert_int_equal(train_on(session, &bad, &labels, &error), NORMD_NOT_FINITE);
    normd_tensor one = fixture_normal(&f, NORMD_F32, (normd_shape){2, {1, 5}}, 1);
    assert_int_equal(train_on(session, &one, &labels, &error), NORMD_BAD_SHAPE);
    expect_lazy(session, true);
    normd_session *other = fixture_session(&f, told);
    assert_int_equal(train(&f, session, 6, 1, &error), NORMD_OK);
    assert_int_equal(train(&f, other, 6, 1, &error), NORMD_OK);
    expect_same_tensors(session, other);
    normd_tensor_release(&cube);
    normd_tensor_release(&row);
    normd_tensor_release(&bad);
    normd_tensor_release(&one);
    normd_tensor_release(&labels);
    normd_session_destroy(session);
    normd_session_destroy(other);
    fixture_close(&f);
}

static void without_a_batch_there_is_nothing_to_read(void **state)
{
    (void)state;
    static const char message[] =
        "session: expected one whose features are known; layers[0] takes them from the first "
        "training batch, which has not come";
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session =
        fixture_session(&f, "{'layers': [{'type': 'batch_norm'}], 'loss': 'mse'}");
    normd_session *known = fixture_session(&f, "{'layers': [{'type': 'batch_norm'}], 'input': 3}");
    normd_snapshot *snapshot = normd_session_snapshot(session);
    normd_error error;
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {4, 3}}, 1);
    normd_train_result result;
    normd_train_batch batch = {.x = &x.array, .target = &x.array};
    assert_int_equal(
        normd_snapshot_evaluate(snapshot, &batch, &result, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, message);
    normd_tensor y;
    assert_int_equal(normd_snapshot_infer(snapshot, &x, &y, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, message);
    normd_buffer *file;
    assert_int_equal(
        normd_snapshot_export(snapshot, &fixture_everything, &file, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, message);
    normd_buffer *of_known = fixture_export(known);
    uint64_t version;
    assert_int_equal(
        normd_session_import(session, of_known->data, of_known->size, &version, &error),
        NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, message);
    normd_layer_stats stats;
    assert_int_equal(normd_snapshot_stats_count(snapshot), 1);
    normd_snapshot_stats(snapshot, 0, NORMD_PYTORCH, &stats);
    assert_int_equal(stats.arrays, 0);
    assert_int_equal(stats.num_batches_tracked, 0);
    normd_buffer_release(of_known);
    normd_snapshot_release(snapshot);
    normd_session_destroy(session);
    normd_session_destroy(known);
    fixture_close(&f);
}

static void a_first_forward_is_kept_for_backward(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *a = fixture_session(&f, "{'layers': [{'type': 'batch_norm', 'axis': 2}]}");
    normd_session *b =
        fixture_session(&f, "{'layers': [{'type': 'batch_norm', 'axis': 2, 'features': 5}]}");
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){3, {4, 3, 5}}, 1);
    for (int update = 0; update < 2; update++) {
        normd_forward_result of_a, of_b;
        assert_int_equal(normd_session_output_bytes(a, &x.array.shape), 240);
        normd_tensor y_a = fixture_forward(&f, a, &x.array, NULL, update != 0, &of_a);
        normd_tensor y_b = fixture_forward(&f, b, &x.array, NULL, update != 0, &of_b);
        assert_memory_equal(y_a.array.data, y_b.array.data, 240);
        assert_int_equal(of_a.step, of_b.step);
        normd_tensor dx_a = fixture_backward(&f, a, of_a.step, true, &x.array);
        normd_tensor dx_b = fixture_backward(&f, b, of_b.step, true, &x.array);
        assert_memory_equal(dx_a.array.data, dx_b.array.data, 240);
        normd_tensor_release(&y_a);
        normd_tensor_release(&y_b);
        normd_tensor_release(&dx_a);
        normd_tensor_release(&dx_b);
    }
    normd_tensor_release(&x);
    normd_session_destroy(a);
    normd_session_destroy(b);
    fixture_close(&f);
}

static void statistics_can_be_frozen_and_recalibrated_before_any_batch(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, "{'layers': [{'type': 'batch_norm'}]}");
    normd_error error;
    uint64_t version;
    normd_freezing freezing = {.frozen = true};
    assert_int_equal(normd_session_freeze(session, &freezing, &version, &error), NORMD_OK);
    freezing.frozen = false;
    assert_int_equal(normd_session_freeze(session, &freezing, &version, &error), NORMD_OK);
    assert_int_equal(normd_session_reset_statistics(session, NULL, &version, &error), NORMD_OK);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {4, 3}}, 1);
    normd_recalibration_options options = {.finish = false};
    normd_recalibration_result result;
    assert_int_equal(
        normd_session_recalibrate(session, &x.array, &options, &result, &error), NORMD_OK);
    assert_int_equal(result.batches, 1);
    options.finish = true;
    assert_int_equal(
        normd_session_recalibrate(session, &x.array, &options, &result, &error), NORMD_OK);
    assert_int_equal(result.batches, 2);
    normd_buffer *file = fixture_export(session);
    normd_array mean = fixture_exported(file, "0.running_mean");
    double sum = 0;
    for (size_t n = 0; n < 4; n++) {
        sum += fixture_at(&x.array, 3 * n);
    }
    assert_true(fabs(fixture_at(&mean, 0) - sum / 4) < 1e-6);
    normd_buffer_release(file);
    normd_tensor_release(&x);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void what_cannot_be_told_later_is_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    fixture_refused(&f, "{'layers': [{'type': 'batch_norm', 'weight_init': [1, 2]}]}",
        NORMD_BAD_ARGUMENT,
        "layers[0].weight_init: expected a name or a number where the features come from the first "
        "batch, got an array");
    fixture_refused(&f, "{'layers': [{'type': 'batch_norm', 'features': 3, 'lazy': true}]}",
        NORMD_BAD_ARGUMENT, "layers[0].lazy: expected false where features is known, 3, got true");
    fixture_refused(&f, "{'layers': [{'type': 'batch_norm', 'lazy': 1}]}", NORMD_BAD_ARGUMENT,
        "layers[0].lazy: expected true or false, got 1");
    fixture_refused(&f, "{'layers': [{'type': 'batch_norm', 'lazy': false}]}", NORMD_BAD_ARGUMENT,
        "layers[0].features: expected a number, since neither `input` nor an earlier layer tells "
        "it; got nothing");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_batch_gives_what_features_that_were_told_would),
        cmocka_unit_test(a_first_batch_that_fails_leaves_it_lazy),
        cmocka_unit_test(without_a_batch_there_is_nothing_to_read),
        cmocka_unit_test(a_first_forward_is_kept_for_backward),
        cmocka_unit_test(statistics_can_be_frozen_and_recalibrated_before_any_batch),
        cmocka_unit_test(what_cannot_be_told_later_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
