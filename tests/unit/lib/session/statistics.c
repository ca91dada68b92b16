// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include "lib/session/statistics.h"

#include <math.h>
#include <string.h>

/* What the exact moments of a feature are, in long double, whose own error is far below one unit in
   the last place of float and some units of double. */
static void exact_moments(const normd_array *x, size_t outer, size_t channels, size_t inner,
    size_t channel, long double *mean, long double *var)
{
    long double sum = 0.0L;
    long double squares = 0.0L;
    long double count = (long double)(outer * inner);
    for (size_t o = 0; o < outer; o++) {
        for (size_t i = 0; i < inner; i++) {
            sum += (long double)fixture_at(x, (o * channels + channel) * inner + i);
        }
    }
    *mean = sum / count;
    for (size_t o = 0; o < outer; o++) {
        for (size_t i = 0; i < inner; i++) {
            long double d =
                (long double)fixture_at(x, (o * channels + channel) * inner + i) - *mean;
            squares += d * d;
        }
    }
    *var = squares / count;
}

static void assert_one_ulp(double got, long double want)
{
    double ulp = (double)(nextafterf((float)fabs(got), INFINITY) - (float)fabs(got));
    assert_true(fabsl((long double)got - want) <= (long double)ulp);
}

/* Shapes: (outer, channels, inner) as rank 3 with the channels second. */
static void check_batch_statistics(
    const fixture *f, normd_shape shape, size_t outer, size_t inner, double offset)
{
    char configuration[96];
    size_t channels = shape.dim[1];
    snprintf(configuration, sizeof configuration,
        "{'layers': [{'type': 'batch_norm', 'features': %zu}]}", channels);
    normd_session *session = fixture_session(f, configuration);
    normd_tensor x = fixture_normal(f, NORMD_F32, shape, 3);
    for (size_t i = 0; i < normd_array_elements(&x.array); i++) {
        fixture_put(&x.array, i, fixture_at(&x.array, i) + offset);
    }
    normd_measures measures;
    normd_error error;
    assert_int_equal(
        normd_session_batch_statistics(session, &x.array, NULL, NULL, &measures, &error), NORMD_OK);
    assert_int_equal(measures.count, 1);
    assert_string_equal(measures.measure[0].array_name[0], "mean");
    assert_true(measures.measure[0].count == (double)(outer * inner));
    for (size_t c = 0; c < channels; c += 1 + channels / 7) {
        long double mean;
        long double var;
        exact_moments(&x.array, outer, channels, inner, c, &mean, &var);
        assert_one_ulp(fixture_at(&measures.measure[0].array[0], c), mean);
        assert_one_ulp(fixture_at(&measures.measure[0].array[1], c), var);
    }
    normd_measures_release(&measures);
    normd_tensor_release(&x);
    normd_session_destroy(session);
}

static void batch_statistics_are_exact_for_any_tiling_and_offset(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 2, NULL);
    check_batch_statistics(&f, (normd_shape){2, {50, 7}}, 50, 1, 0.0);
    check_batch_statistics(&f, (normd_shape){2, {50, 7}}, 50, 1, 1e6);
    check_batch_statistics(&f, (normd_shape){2, {20000, 3}}, 20000, 1, 1e4);
    check_batch_statistics(&f, (normd_shape){3, {4, 33, 900}}, 4, 900, -1e5);
    fixture_close(&f);
}

static const char deep[] =
    "{'layers': [{'type': 'linear', 'in': 6, 'out': 8}, {'type': 'batch_norm'}, {'type': 'relu'},"
    " {'type': 'linear', 'out': 5}, {'type': 'batch_norm', 'trainable': false},"
    " {'type': 'batch_norm'}], 'dtype': 'float32', 'seed': 3}";

static void recalibrate(const fixture *f, normd_session *session)
{
    for (uint64_t i = 1; i <= 3; i++) {
        normd_tensor x = fixture_normal(f, NORMD_F32, (normd_shape){2, {40 * i, 6}}, i);
        normd_recalibration_options options = {.finish = i == 3};
        normd_recalibration_result result;
        normd_error error;
        assert_int_equal(
            normd_session_recalibrate(session, &x.array, &options, &result, &error), NORMD_OK);
        assert_int_equal(result.batches, i);
        assert_int_equal(result.version, i == 3);
        normd_tensor_release(&x);
    }
}

static void recalibration_has_the_same_bits_on_any_number_of_threads(void **state)
{
    (void)state;
    fixture alone;
    fixture crowd;
    fixture_open(&alone, 0, "baseline");
    fixture_open(&crowd, 3, NULL);
    normd_session *a = fixture_session(&alone, deep);
    normd_session *b = fixture_session(&crowd, deep);
    recalibrate(&alone, a);
    recalibrate(&crowd, b);
    assert_true(fixture_same_state(a, b));
    normd_session_destroy(a);
    normd_session_destroy(b);
    fixture_close(&alone);
    fixture_close(&crowd);
}

static void a_frozen_layer_is_not_recalibrated(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, deep);
    recalibrate(&f, session);
    normd_buffer *file = fixture_export(session);
    normd_array frozen = fixture_exported(file, "4.running_var");
    normd_array other = fixture_exported(file, "5.running_var");
    assert_true(fixture_at(&frozen, 0) == 1.0);
    assert_true(fixture_at(&other, 0) != 1.0);
    normd_buffer_release(file);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void a_new_configuration_forgets_what_was_collected(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, deep);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {9, 6}}, 1);
    normd_recalibration_options options = {.finish = false};
    normd_recalibration_result result;
    normd_error error;
    uint64_t version;
    assert_int_equal(
        normd_session_recalibrate(session, &x.array, &options, &result, &error), NORMD_OK);
    normd_freezing freezing = {.layer = "5", .frozen = true, .parameters = true};
    assert_int_equal(normd_session_freeze(session, &freezing, &version, &error), NORMD_OK);
    options.finish = true;
    assert_int_equal(
        normd_session_recalibrate(session, NULL, &options, &result, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "x: expected a batch, since none came before; got nothing");
    normd_tensor_release(&x);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void drift_is_told_of_an_empty_batch_and_of_infinity(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, deep);
    normd_snapshot *snapshot = normd_session_snapshot(session);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {3, 6}}, 1);
    normd_measures measures;
    normd_error error;
    assert_int_equal(normd_snapshot_drift(snapshot, &x.array, NULL, &measures, &error), NORMD_OK);
    assert_int_equal(measures.count, 3);
    normd_measures_release(&measures);
    fixture_put(&x.array, 4, INFINITY);
    assert_int_equal(
        normd_snapshot_drift(snapshot, &x.array, NULL, &measures, &error), NORMD_NOT_FINITE);
    x.array.shape.dim[0] = 0;
    assert_int_equal(
        normd_snapshot_drift(snapshot, &x.array, NULL, &measures, &error), NORMD_BAD_SHAPE);
    normd_tensor_release(&x);
    normd_snapshot_release(snapshot);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_statistics_are_exact_for_any_tiling_and_offset),
        cmocka_unit_test(recalibration_has_the_same_bits_on_any_number_of_threads),
        cmocka_unit_test(a_frozen_layer_is_not_recalibrated),
        cmocka_unit_test(a_new_configuration_forgets_what_was_collected),
        cmocka_unit_test(drift_is_told_of_an_empty_batch_and_of_infinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
