// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Batch norm through a session against the formulas in 128-bit floating point. */

typedef struct layout {
    size_t outer, channels, inner;
} layout;

static size_t at(const layout *l, size_t o, size_t c, size_t i)
{
    return (o * l->channels + c) * l->inner + i;
}

typedef struct exact {
    __float128 mean, m2;
    size_t count;
} exact;

static exact moments_of(const normd_array *x, const layout *l, size_t c)
{
    exact e = {.count = l->outer * l->inner};
    for (size_t o = 0; o < l->outer; o++) {
        for (size_t i = 0; i < l->inner; i++) {
            e.mean += fixture_at(x, at(l, o, c, i));
        }
    }
    e.mean /= (__float128)e.count;
    for (size_t o = 0; o < l->outer; o++) {
        for (size_t i = 0; i < l->inner; i++) {
            __float128 d = fixture_at(x, at(l, o, c, i)) - e.mean;
            e.m2 += d * d;
        }
    }
    return e;
}

static double inverse_deviation(const exact *e, double eps)
{
    return 1.0 / sqrt((double)(e->m2 / (__float128)e->count) + eps);
}

/* y = ((x - high) - low) * scale + 0. The first difference is exact or rounded once, and so are the
   others and the scale: six units of |y| with the root and quotient in double. The mean is kept to
   twice the precision. The variance is a sum in double of squares around one of the values: at most
   n units of a sum that is some ten times the result, halved by the root. */
static void expect_forward(
    const normd_array *x, const normd_array *y, const layout *l, double bn_eps, double unit)
{
    for (size_t c = 0; c < l->channels; c++) {
        exact e = moments_of(x, l, c);
        double inverse = inverse_deviation(&e, bn_eps);
        double mean_error = fabs((double)e.mean) * (unit * unit + 1e-31) * 4.0;
        for (size_t o = 0; o < l->outer; o++) {
            for (size_t i = 0; i < l->inner; i++) {
                size_t k = at(l, o, c, i);
                double expected = (double)(fixture_at(x, k) - e.mean) * inverse;
                double relative = 6.0 * unit + 5.0 * (double)e.count * DBL_EPSILON;
                double bound = relative * fabs(expected) + mean_error * inverse;
                assert_true(fabs(fixture_at(y, k) - expected) <= bound);
            }
        }
    }
}

/* dx = (dy - a - (x - mean) b) s: each term is rounded a few times, so the error is a few units of
   the sum of their sizes; a and b come from sums in double, whose error is smaller by far in
   float32, and n units of the sum of the terms' sizes in float64. The variance is as in forward. */
static void expect_backward(const normd_array *x, const normd_array *dy, const normd_array *dx,
    const layout *l, double bn_eps, double unit)
{
    for (size_t c = 0; c < l->channels; c++) {
        exact e = moments_of(x, l, c);
        __float128 sum = 0;
        __float128 product = 0;
        __float128 sizes = 0;
        for (size_t o = 0; o < l->outer; o++) {
            for (size_t i = 0; i < l->inner; i++) {
                size_t k = at(l, o, c, i);
                __float128 g = fixture_at(dy, k);
                sum += g;
                product += g * (fixture_at(x, k) - e.mean);
                sizes += g < 0 ? -g : g;
            }
        }
        double inverse = inverse_deviation(&e, bn_eps);
        double n = (double)e.count;
        double a = (double)sum / n;
        double slope = (double)product / n * inverse * inverse;
        for (size_t o = 0; o < l->outer; o++) {
            for (size_t i = 0; i < l->inner; i++) {
                size_t k = at(l, o, c, i);
                double centered = (double)(fixture_at(x, k) - e.mean);
                double g = fixture_at(dy, k);
                double expected = (g - a - centered * slope) * inverse;
                double size = (fabs(g) + fabs(a) + fabs(centered * slope)) * inverse;
                double deviation = 10.0 * n * DBL_EPSILON * size;
                double sums = n * DBL_EPSILON * ((double)sizes / n) * inverse *
                              (1.0 + fabs(centered) * inverse);
                double bound = 6.0 * unit * size + deviation + 4.0 * sums;
                assert_true(fabs(fixture_at(dx, k) - expected) <= bound);
            }
        }
    }
}

static void check_formulas(const fixture *f, const char *options, normd_dtype dtype,
    normd_shape shape, layout l, double offset)
{
    char text[256];
    snprintf(text, sizeof text,
        "{'layers': [{'type': 'batch_norm', 'features': %zu%s}], 'dtype': '%s'}", l.channels,
        options, normd_dtype_title(dtype));
    normd_session *session = fixture_session(f, text);
    normd_tensor x = fixture_normal(f, dtype, shape, 1);
    normd_tensor dy = fixture_normal(f, dtype, shape, 2);
    for (size_t i = 0; i < normd_array_elements(&x.array); i++) {
        fixture_put(&x.array, i, fixture_at(&x.array, i) + offset);
    }
    normd_forward_result result;
    normd_tensor y = fixture_forward(f, session, &x.array, NULL, true, &result);
    normd_tensor dx = fixture_backward(f, session, result.step, false, &dy.array);
    double unit = dtype == NORMD_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
    expect_forward(&x.array, &y.array, &l, 1e-5, unit);
    expect_backward(&x.array, &dy.array, &dx.array, &l, 1e-5, unit);
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_tensor_release(&dx);
    normd_tensor_release(&dy);
    normd_session_destroy(session);
}

static void forward_and_backward_follow_the_formulas(void **state)
{
    (void)state;
    const normd_dtype types[] = {NORMD_F32, NORMD_F64};
    fixture f;
    fixture_open(&f, 2, NULL);
    for (size_t t = 0; t < 2; t++) {
        normd_dtype dtype = types[t];
        check_formulas(&f, "", dtype, (normd_shape){2, {37, 19}}, (layout){37, 19, 1}, 0);
        check_formulas(&f, "", dtype, (normd_shape){2, {2, 1}}, (layout){2, 1, 1}, 0);
        check_formulas(&f, "", dtype, (normd_shape){2, {5000, 3}}, (layout){5000, 3, 1}, 0);
        check_formulas(&f, "", dtype, (normd_shape){2, {1500, 150}}, (layout){1500, 150, 1}, 0);
        check_formulas(&f, "", dtype, (normd_shape){4, {5, 7, 9, 11}}, (layout){5, 7, 99}, 0);
        check_formulas(
            &f, ", 'axis': -1", dtype, (normd_shape){4, {5, 7, 9, 11}}, (layout){315, 11, 1}, 0);
        check_formulas(&f, "", dtype, (normd_shape){2, {100, 8}}, (layout){100, 8, 1}, 1000);
        check_formulas(&f, "", dtype, (normd_shape){2, {100, 8}}, (layout){100, 8, 1}, -1e6);
    }
    fixture_close(&f);
}

/* Two batches, and what is stored after each: exact in binary, so that the test can be. */
typedef struct running {
    const char *options;
    double mean[2];
    double var[2];
} running;

static void running_statistics_follow_the_convention(void **state)
{
    (void)state;
    /* First batch 0, 4: mean 2, variance 4 biased and 8 unbiased. Second 2, 4, 6, 8: mean 5,
       variance 5 and 20/3. They start at mean 0 and variance 1. */
    const running rows[] = {
        {"'momentum': 0.25", {0.5, 1.625}, {0.75 + 2, 2.75 * 0.75 + 20.0 / 3 / 4}},
        {"'momentum': 0.25, 'running_variance': 'biased'", {0.5, 1.625},
            {0.75 + 1, 1.75 * 0.75 + 1.25}},
        {"'momentum': null", {2, 3.5}, {8, 4 + 10.0 / 3}},
        {"'momentum': null, 'running_variance': 'biased'", {2, 3.5}, {4, 4.5}},
        {"'momentum': 0", {0, 0}, {1, 1}},
        {"'momentum': 1", {2, 5}, {8, 20.0 / 3}},
        {"'convention': 'keras'|'momentum': 0.75", {0.5, 1.625}, {0.75 + 1, 1.75 * 0.75 + 1.25}},
        {"'convention': 'keras'|'momentum': 0.75, 'running_variance': 'unbiased'", {0.5, 1.625},
            {0.75 + 2, 2.75 * 0.75 + 20.0 / 3 / 4}},
    };
    double batches[2][4] = {{0, 4}, {2, 4, 6, 8}};
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        const char *bar = strchr(rows[r].options, '|');
        char text[256];
        snprintf(text, sizeof text,
            "{%.*s%s'layers': [{'type': 'batch_norm', 'features': 1, %s}], 'dtype': 'float64'}",
            bar != NULL ? (int)(bar - rows[r].options) : 0, rows[r].options,
            bar != NULL ? ", " : "", bar != NULL ? bar + 1 : rows[r].options);
        normd_session *session = fixture_session(&f, text);
        for (size_t b = 0; b < 2; b++) {
            normd_array x = {
                .dtype = NORMD_F64, .shape = {2, {b == 0 ? 2 : 4, 1}}, .data = batches[b]};
            normd_forward_result result;
            normd_tensor y = fixture_forward(&f, session, &x, NULL, true, &result);
            normd_tensor_release(&y);
            normd_snapshot *snapshot = normd_session_snapshot(session);
            normd_layer_stats stats;
            normd_snapshot_stats(snapshot, 0, NORMD_PYTORCH, &stats);
            assert_int_equal(stats.num_batches_tracked, b + 1);
            /* A third of the rows has thirds in it; they are off by some units of double. */
            assert_true(fabs(fixture_at(&stats.array[0], 0) - rows[r].mean[b]) <= 1e-15);
            assert_true(fabs(fixture_at(&stats.array[1], 0) - rows[r].var[b]) <= 4e-15);
            normd_snapshot_release(snapshot);
        }
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

static void inference_uses_the_running_statistics(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'layers': [{'type': 'batch_norm', 'features': 2, 'eps': 0, 'weight_init': [3, 5], "
        "'bias_init': [1, -1], 'running_mean_init': [10, 20], 'running_var_init': [4, 0.25]}]}");
    float values[4] = {12, 21, 8, 20};
    normd_array x = {.dtype = NORMD_F32, .shape = {2, {2, 2}}, .data = values};
    normd_tensor y = fixture_infer(&f, session, &x);
    const double expected[4] = {4, 9, -2, -1};
    for (size_t i = 0; i < 4; i++) {
        assert_true(fixture_at(&y.array, i) == expected[i]);
    }
    normd_tensor_release(&y);
    x.shape = (normd_shape){2, {0, 2}};
    y = fixture_infer(&f, session, &x);
    assert_int_equal(y.array.shape.rank, 2);
    assert_int_equal(y.array.shape.dim[0], 0);
    normd_tensor_release(&y);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void a_variance_that_nothing_can_be_divided_by_is_named(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session =
        fixture_session(&f, "{'layers': [{'type': 'batch_norm', 'features': 2, 'eps': 0}]}");
    /* A constant feature; then one whose deviation, 2^-149, has no reciprocal in float32. */
    float values[2][4] = {{1, 5, 3, 5}, {1, 0, 3, 0x1p-148f}};
    const char *got[2] = {"variance 0", "variance 1.96364e-90"};
    for (size_t i = 0; i < 2; i++) {
        const normd_array array = {.dtype = NORMD_F32, .shape = {2, {2, 2}}, .data = values[i]};
        normd_tensor x = fixture_copy(&f, &array);
        normd_tensor y;
        normd_forward_options options = {.update_stats = true};
        normd_forward_result result;
        normd_error error;
        assert_int_equal(
            normd_session_forward(session, &x, &options, &y, &result, &error), NORMD_NOT_FINITE);
        char expected[160];
        snprintf(expected, sizeof expected,
            "x: expected values whose gamma / sqrt(variance + eps) is finite in float32, got %s "
            "with eps 0 in feature 1",
            got[i]);
        assert_string_equal(error.message, expected);
        assert_int_equal(result.version, 0);
    }
    normd_session_destroy(session);
    fixture_close(&f);
}

static void without_tracking_inference_uses_the_batch(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(
        &f, "{'layers': [{'type': 'batch_norm', 'features': 3, 'track_running_stats': false}]}");
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {8, 3}}, 1);
    normd_forward_result result;
    normd_tensor y = fixture_forward(&f, session, &x.array, NULL, true, &result);
    normd_tensor inferred = fixture_infer(&f, session, &x.array);
    assert_memory_equal(y.array.data, inferred.array.data, normd_array_bytes(&y.array));
    normd_snapshot *snapshot = normd_session_snapshot(session);
    normd_layer_stats stats;
    normd_snapshot_stats(snapshot, 0, NORMD_KERAS, &stats);
    assert_int_equal(stats.arrays, 2);
    assert_string_equal(stats.array_name[0], "gamma");
    assert_string_equal(stats.array_name[1], "beta");
    normd_snapshot_release(snapshot);
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_tensor_release(&inferred);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_and_backward_follow_the_formulas),
        cmocka_unit_test(running_statistics_follow_the_convention),
        cmocka_unit_test(inference_uses_the_running_statistics),
        cmocka_unit_test(a_variance_that_nothing_can_be_divided_by_is_named),
        cmocka_unit_test(without_tracking_inference_uses_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
