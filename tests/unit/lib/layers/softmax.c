// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Rows against the definitions in long double, gradients against differences. */

static normd_session *one_layer(const fixture *f, const char *layer, const char *dtype)
{
    char text[256];
    snprintf(text, sizeof text,
        "{'layers': [{%s}], 'dtype': '%s', 'optimizer': {'type': 'sgd', 'lr': 1}}", layer, dtype);
    return fixture_session(f, text);
}

typedef struct layout {
    size_t rows, classes, stride;
} layout;

static size_t place_of(const layout *l, size_t row, size_t c)
{
    return row / l->stride * l->classes * l->stride + c * l->stride + row % l->stride;
}

/* The sum of the row's exponentials, beside its largest value. */
static long double sum_of(const normd_array *x, const layout *l, size_t row, long double *largest)
{
    long double sum = 0;
    *largest = fixture_at(x, place_of(l, row, 0));
    for (size_t c = 1; c < l->classes; c++) {
        *largest = fmaxl(*largest, fixture_at(x, place_of(l, row, c)));
    }
    for (size_t c = 0; c < l->classes; c++) {
        sum += expl(fixture_at(x, place_of(l, row, c)) - *largest);
    }
    return sum;
}

/* In double the argument of exp is rounded by half a unit of |x - m| <= 64, exp by less than a
   unit, a sum of k positive terms by k; in float all that vanishes beside two roundings. The
   logarithm of a sum near 1 has the sum's error as it is. */
static void expect_definition(
    const fixture *f, const char *layer, bool logarithm, normd_shape shape, layout l)
{
    for (int wide = 0; wide < 2; wide++) {
        normd_dtype dtype = wide ? NORMD_F64 : NORMD_F32;
        double unit = (double)FLT_EPSILON;
        normd_session *session = one_layer(f, layer, normd_dtype_title(dtype));
        normd_tensor x = fixture_normal(f, dtype, shape, 1);
        for (size_t i = 0; i < l.rows * l.classes; i++) {
            fixture_put(&x.array, i, fixture_at(&x.array, i) * 6.0);
        }
        normd_tensor y = fixture_infer(f, session, &x.array);
        for (size_t row = 0; row < l.rows; row++) {
            long double m;
            long double sum = sum_of(&x.array, &l, row, &m);
            for (size_t c = 0; c < l.classes; c++) {
                size_t place = place_of(&l, row, c);
                long double shift = fixture_at(&x.array, place) - m;
                long double want = logarithm ? shift - logl(sum) : expl(shift) / sum;
                double wide_bound = (64.0 + (double)l.classes) * DBL_EPSILON;
                double bound = (wide ? wide_bound : 2.0 * unit) * (double)fabsl(want);
                double got = fixture_at(&y.array, place);
                assert_true(fabs((double)(got - want)) <= bound + (logarithm ? wide_bound : 0.0));
            }
        }
        normd_tensor_release(&x);
        normd_tensor_release(&y);
        normd_session_destroy(session);
    }
}

static void rows_follow_the_definition(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 2, NULL);
    const layout last = {.rows = 1500, .classes = 7, .stride = 1};
    const layout channels = {.rows = 3 * 40 * 30, .classes = 5, .stride = 40 * 30};
    const layout long_row = {.rows = 2, .classes = 9001, .stride = 1};
    const normd_shape matrix = {2, {1500, 7}};
    const normd_shape images = {4, {3, 5, 40, 30}};
    const normd_shape sequence = {3, {300, 5, 7}};
    expect_definition(&f, "'type': 'softmax'", false, matrix, last);
    expect_definition(&f, "'type': 'softmax', 'axis': -1", false, sequence, last);
    expect_definition(&f, "'type': 'softmax', 'dim': 2", false, sequence, last);
    expect_definition(&f, "'type': 'softmax'", false, images, channels);
    expect_definition(&f, "'type': 'softmax', 'dim': -3", false, images, channels);
    expect_definition(&f, "'type': 'softmax'", false, (normd_shape){2, {2, 9001}}, long_row);
    expect_definition(&f, "'type': 'log_softmax'", true, matrix, last);
    expect_definition(&f, "'type': 'log_softmax', 'dim': 1", true, images, channels);
    expect_definition(&f, "'type': 'log_softmax'", true, (normd_shape){2, {2, 9001}}, long_row);
    fixture_close(&f);
}

static void gradients_are_those_of_differences(void **state)
{
    (void)state;
    static const char *const layers[] = {"'type': 'softmax'", "'type': 'softmax', 'dim': -1",
        "'type': 'log_softmax'", "'type': 'activation', 'activation': 'log_softmax'"};
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        char text[256];
        snprintf(text, sizeof text,
            "{'input': [3, 4], 'layers': [{'type': 'linear', 'out': 5}, {%s}], 'dtype': 'float64', "
            "'optimizer': {'type': 'sgd', 'lr': 1}}",
            layers[i]);
        fixture_check_gradients(&f, text, (normd_shape){3, {6, 3, 4}}, NULL);
    }
    fixture_close(&f);
}

/* exp(1000) is no double. */
static void large_values_neither_overflow_nor_vanish(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    float values[] = {1000, 1000, -1000, 0, 0, -INFINITY};
    const normd_array x = {.dtype = NORMD_F32, .shape = {2, {2, 3}}, .data = values};
    const double half[] = {0.5, 0.5, 0, 0.5, 0.5, 0};
    const float log_half = -0.693147181f;
    const double logs[] = {(double)log_half, (double)log_half, -2000.693147180559945,
        (double)log_half, (double)log_half, -INFINITY};
    for (int logarithm = 0; logarithm < 2; logarithm++) {
        normd_session *session =
            one_layer(&f, logarithm ? "'type': 'log_softmax'" : "'type': 'softmax'", "float32");
        normd_tensor y = fixture_infer(&f, session, &x);
        for (size_t i = 0; i < 6; i++) {
            double want = logarithm ? logs[i] : half[i];
            assert_true(fixture_at(&y.array, i) == (double)(float)want);
        }
        normd_tensor_release(&y);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

static void nan_stays_in_its_row(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t at = 0; at < 3; at++) {
        float values[] = {1, 2, 3, 1, 2, 3};
        values[at] = NAN;
        const normd_array x = {.dtype = NORMD_F32, .shape = {2, {2, 3}}, .data = values};
        normd_session *session = one_layer(&f, "'type': 'softmax'", "float32");
        normd_tensor y = fixture_infer(&f, session, &x);
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(isnan(fixture_at(&y.array, i)) != 0, i < 3);
        }
        normd_tensor_release(&y);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

static void expect_described(
    const fixture *f, const char *configuration, normd_convention convention, const char *expected)
{
    normd_session *session = fixture_session(f, configuration);
    normd_snapshot *snapshot = normd_session_snapshot(session);
    json_t *description = normd_snapshot_describe(snapshot, convention);
    json_t *other = fixture_json(expected);
    assert_true(json_equal(json_array_get(json_object_get(description, "layers"), 0), other));
    json_decref(description);
    json_decref(other);
    normd_snapshot_release(snapshot);
    normd_session_destroy(session);
}

static void the_axis_is_that_of_the_conventions_features(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    expect_described(
        &f, "{'layers': [{'type': 'softmax'}]}", NORMD_PYTORCH, "{'type': 'softmax', 'dim': 1}");
    expect_described(&f, "{'layers': [{'type': 'softmax'}], 'convention': 'keras'}", NORMD_KERAS,
        "{'type': 'softmax', 'axis': -1}");
    expect_described(&f, "{'layers': [{'type': 'log_softmax', 'dim': 2}], 'convention': 'keras'}",
        NORMD_KERAS, "{'type': 'log_softmax', 'axis': 2}");
    normd_session *session = one_layer(&f, "'type': 'softmax', 'dim': 2", "float32");
    normd_snapshot *snapshot = normd_session_snapshot(session);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {2, 3}}, 1);
    normd_tensor y;
    normd_error error;
    assert_int_equal(normd_snapshot_infer(snapshot, &x, &y, &error), NORMD_BAD_SHAPE);
    assert_string_equal(error.message, "x: expected rank 3 or more, got (2, 3)");
    normd_tensor_release(&x);
    normd_snapshot_release(snapshot);
    normd_session_destroy(session);
    fixture_refused(&f, "{'input': 3, 'layers': [{'type': 'softmax', 'dim': 2}]}",
        NORMD_BAD_ARGUMENT,
        "layers[0].dim: expected one axis: 1 (second) to 1, or -1 (last) to -1 from the end, got "
        "2");
    fixture_refused(&f, "{'layers': [{'type': 'softmax', 'axis': 1, 'dim': 1}]}",
        NORMD_BAD_ARGUMENT,
        "layers[0].axis: expected one name of this option, got \"dim\" as well");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_follow_the_definition),
        cmocka_unit_test(gradients_are_those_of_differences),
        cmocka_unit_test(large_values_neither_overflow_nor_vanish),
        cmocka_unit_test(nan_stays_in_its_row),
        cmocka_unit_test(the_axis_is_that_of_the_conventions_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
