// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Layer, RMS, group and instance norm through a session: against the formulas in 128-bit floating
   point, against finite differences, and against themselves on other threads and kernels. */

/* A value's group, and its feature. */
typedef struct place {
    size_t group, feature;
} place;

/* (N, C, S) with groups of C / G features, (N, S, C) likewise, or rows of D. */
typedef struct layout {
    size_t samples, before, features, behind, groups;
    bool about_zero;
} layout;

static place place_of(const layout *l, size_t index)
{
    size_t feature = index / l->behind % l->features;
    size_t sample = index / (l->behind * l->features * l->before);
    return (place){
        sample * l->groups + feature / (l->features / l->groups),
        feature,
    };
}

enum { MOST_GROUPS = 4096 };

typedef struct exact {
    __float128 mean[MOST_GROUPS], m2[MOST_GROUPS], dy[MOST_GROUPS], dy_x[MOST_GROUPS];
    double sizes[MOST_GROUPS]; /* sum |g| */
} exact;

static void sum_exactly(
    const layout *l, const normd_array *x, const normd_array *dy, const double *gamma, exact *e)
{
    size_t values = normd_array_elements(x);
    size_t count = values / (l->samples * l->groups);
    memset(e, 0, sizeof *e);
    for (size_t i = 0; i < values && !l->about_zero; i++) {
        e->mean[place_of(l, i).group] += (__float128)fixture_at(x, i) / (__float128)count;
    }
    for (size_t i = 0; i < values; i++) {
        place at = place_of(l, i);
        __float128 d = fixture_at(x, i) - e->mean[at.group];
        __float128 g = (__float128)fixture_at(dy, i) * (__float128)gamma[at.feature];
        e->m2[at.group] += d * d;
        e->dy[at.group] += l->about_zero ? 0 : g;
        e->dy_x[at.group] += g * d;
        e->sizes[at.group] += fabs((double)g);
    }
}

/*
 * Forward: two differences, two products, a sum, and the scale's rounding: eight units of |y| and
 * |beta| in all. In float64 the moments are sums of n doubles, n units off at most, of which the
 * root halves what concerns the variance. Backward: g is rounded, as are its mean and slope, and
 * each of five operations: eight units of the terms' sizes; the sums in double are off by n units
 * of their terms' sizes.
 */
typedef struct result {
    const normd_array *x, *dy, *y, *dx;
    const double *gamma, *beta;
    double eps, unit;
} result;

static void expect_formulas(const layout *l, const result *r)
{
    static exact e;
    sum_exactly(l, r->x, r->dy, r->gamma, &e);
    size_t values = normd_array_elements(r->x);
    double n = (double)(values / (l->samples * l->groups));
    for (size_t i = 0; i < values; i++) {
        place at = place_of(l, i);
        size_t g = at.group;
        double inverse = 1.0 / sqrt((double)(e.m2[g] / (__float128)n) + r->eps);
        double centered = (double)(fixture_at(r->x, i) - e.mean[g]);
        double xhat = centered * inverse, gamma = r->gamma[at.feature];
        double mean_error = fabs((double)e.mean[g]) * (r->unit * r->unit + 1e-31) * 4.0 * inverse;
        double relative = 8.0 * r->unit + 5.0 * n * DBL_EPSILON;
        double y = xhat * gamma + r->beta[at.feature];
        double bound =
            relative * (fabs(xhat * gamma) + fabs(r->beta[at.feature])) + mean_error * fabs(gamma);
        assert_true(fabs(fixture_at(r->y, i) - y) <= bound);
        double mean_dy = (double)e.dy[g] / n;
        double slope = (double)e.dy_x[g] / n * inverse * inverse;
        double own = fixture_at(r->dy, i) * gamma;
        double dx = (own - mean_dy - centered * slope) * inverse;
        double size = (fabs(own) + fabs(mean_dy) + fabs(centered * slope)) * inverse;
        double sums = n * DBL_EPSILON * e.sizes[g] / n * inverse * (1.0 + fabs(xhat));
        bound = relative * 2.0 * size + 4.0 * sums + mean_error * fabs(slope);
        assert_true(fabs(fixture_at(r->dx, i) - dx) <= bound);
    }
}

/* A configuration with gamma = 1/2, 3/4, ... and beta = -1, -1/2, ... where it has them. */
static normd_session *session_with(
    const fixture *f, const char *options, const char *rest, double *gamma, double *beta, size_t n)
{
    static char text[16384];
    size_t used =
        (size_t)snprintf(text, sizeof text, "{'layers': [{%s, 'on_nonfinite': 'reject'", options);
    const char *names[2] = {"weight_init", "bias_init"};
    double *values[2] = {gamma, beta};
    for (size_t part = 0; part < 2; part++) {
        bool has = values[part][0] != 0;
        used += (size_t)snprintf(
            text + used, sizeof text - used, "%s%s", has ? ", '" : "", has ? names[part] : "");
        for (size_t i = 0; i < n; i++) {
            values[part][i] = has ? 0.5 * (double)part * -3 + 0.5 + 0.25 * (double)(i % 7)
                                  : (part == 0 ? 1.0 : 0.0);
            if (has) {
                used += (size_t)snprintf(text + used, sizeof text - used, "%s%g",
                    i == 0 ? "': [" : ", ", values[part][i]);
            }
        }
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", has ? "]" : "");
    }
    snprintf(text + used, sizeof text - used, "}], %s}", rest);
    return fixture_session(f, text);
}

typedef struct form {
    const char *options;
    bool gamma, beta;
    double eps;
    normd_shape shape;
    layout l;
} form;

static const form forms[] = {
    {"'type': 'layer_norm', 'normalized_shape': 19", true, true, 1e-5, {2, {37, 19}},
        {37, 1, 19, 1, 1, false}},
    {"'type': 'layer_norm', 'normalized_shape': 200", true, true, 1e-5, {3, {20, 10, 200}},
        {200, 1, 200, 1, 1, false}},
    {"'type': 'layer_norm', 'normalized_shape': 1", true, true, 1e-5, {2, {5, 1}},
        {5, 1, 1, 1, 1, false}},
    {"'type': 'layer_norm', 'normalized_shape': 9000, 'elementwise_affine': false", false, false,
        1e-5, {2, {3, 9000}}, {3, 1, 9000, 1, 1, false}},
    {"'type': 'layer_norm', 'normalized_shape': 40000, 'elementwise_affine': false", false, false,
        1e-5, {2, {2, 40000}}, {2, 1, 40000, 1, 1, false}},
    {"'type': 'rms_norm', 'normalized_shape': 33, 'eps': 1e-6", true, false, 1e-6, {2, {700, 33}},
        {700, 1, 33, 1, 1, true}},
    {"'type': 'group_norm', 'num_groups': 4, 'features': 12", true, true, 1e-5, {2, {100, 12}},
        {100, 1, 12, 1, 4, false}},
    {"'type': 'group_norm', 'num_groups': 2, 'features': 6", true, true, 1e-5, {4, {5, 6, 7, 9}},
        {5, 1, 6, 63, 2, false}},
    {"'type': 'group_norm', 'num_groups': 2, 'features': 6", true, true, 1e-5, {3, {5, 6, 2}},
        {5, 1, 6, 2, 2, false}},
    {"'type': 'group_norm', 'num_groups': 3, 'features': 6, 'axis': -1", true, true, 1e-5,
        {4, {12, 7, 9, 6}}, {12, 63, 6, 1, 3, false}},
    {"'type': 'group_norm', 'num_groups': 1, 'features': 4", true, true, 1e-5, {3, {2, 4, 5000}},
        {2, 1, 4, 5000, 1, false}},
    {"'type': 'instance_norm', 'features': 6", false, false, 1e-5, {4, {5, 6, 7, 9}},
        {5, 1, 6, 63, 6, false}},
    {"'type': 'instance_norm', 'features': 3, 'affine': true", true, true, 1e-5, {3, {4, 3, 20000}},
        {4, 1, 3, 20000, 3, false}},
    {"'type': 'instance_norm', 'features': 6, 'affine': true, 'axis': -1", true, true, 1e-5,
        {3, {9, 11, 6}}, {9, 11, 6, 1, 6, false}},
};

static void check_form(const fixture *f, const form *by, normd_dtype dtype, double offset)
{
    static double gamma[65536], beta[65536];
    gamma[0] = by->gamma;
    beta[0] = by->beta;
    const char *rest = dtype == NORMD_F32 ? "'dtype': 'float32'" : "'dtype': 'float64'";
    normd_session *session = session_with(f, by->options, rest, gamma, beta, by->l.features);
    normd_tensor x = fixture_normal(f, dtype, by->shape, 1);
    normd_tensor dy = fixture_normal(f, dtype, by->shape, 2);
    for (size_t i = 0; i < normd_array_elements(&x.array); i++) {
        fixture_put(&x.array, i, fixture_at(&x.array, i) + offset);
    }
    normd_forward_result made;
    normd_tensor y = fixture_forward(f, session, &x.array, NULL, true, &made);
    normd_tensor inferred = fixture_infer(f, session, &x.array);
    normd_tensor dx = fixture_backward(f, session, made.step, false, &dy.array);
    expect_formulas(&by->l, &(result){&x.array, &dy.array, &y.array, &dx.array, gamma, beta,
                                by->eps, dtype == NORMD_F32 ? (double)FLT_EPSILON : DBL_EPSILON});
    assert_memory_equal(y.array.data, inferred.array.data, normd_array_bytes(&y.array));
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_tensor_release(&inferred);
    normd_tensor_release(&dx);
    normd_tensor_release(&dy);
    normd_session_destroy(session);
}

static void forward_and_backward_follow_the_formulas(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 2, NULL);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const double offsets[2] = {0, forms[i].l.about_zero ? 3.0 : -1e6};
        for (size_t k = 0; k < 2; k++) {
            check_form(&f, &forms[i], NORMD_F32, offsets[k]);
            check_form(&f, &forms[i], NORMD_F64, offsets[k]);
        }
    }
    fixture_close(&f);
}

static void gradients_agree_with_central_differences(void **state)
{
    (void)state;
    static const struct {
        const char *layer;
        normd_shape shape;
    } rows[] = {
        {"'type': 'layer_norm', 'normalized_shape': 5", {2, {4, 5}}},
        {"'type': 'layer_norm', 'normalized_shape': [2, 3]", {3, {4, 2, 3}}},
        {"'type': 'layer_norm', 'normalized_shape': [3, 2, 3], 'bias': false", {4, {2, 3, 2, 3}}},
        {"'type': 'layer_norm', 'normalized_shape': 4, 'scale': false", {5, {2, 2, 1, 2, 4}}},
        {"'type': 'rms_norm', 'normalized_shape': [2, 3]", {3, {4, 2, 3}}},
        {"'type': 'group_norm', 'num_groups': 2, 'features': 6", {2, {3, 6}}},
        {"'type': 'group_norm', 'num_groups': 2, 'features': 4", {3, {2, 4, 3}}},
        {"'type': 'group_norm', 'num_groups': 2, 'features': 4, 'axis': -1", {4, {2, 3, 2, 4}}},
        {"'type': 'group_norm', 'num_groups': 1, 'features': 2", {5, {2, 2, 2, 1, 3}}},
        {"'type': 'instance_norm', 'features': 3", {3, {2, 3, 4}}},
        {"'type': 'instance_norm', 'features': 3, 'affine': true", {4, {2, 3, 2, 2}}},
        {"'type': 'instance_norm', 'features': 3, 'affine': true, 'axis': -1", {4, {2, 2, 2, 3}}},
        {"'type': 'instance_norm', 'features': 2, 'track_running_stats': true, 'trainable': false",
            {3, {2, 2, 3}}},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        snprintf(text, sizeof text,
            "{'layers': [{%s}, {'type': 'relu'}], 'dtype': 'float64', 'optimizer': {'type': 'sgd', "
            "'lr': 1}}",
            rows[i].layer);
        fixture_check_gradients(&f, text, rows[i].shape, NULL);
    }
    fixture_close(&f);
}

/* One step over every form: the bits of everything that it leaves. */
typedef struct bits {
    size_t size;
    char data[];
} bits;

static bits *step_on(const char *kernels, int threads, const form *by, normd_shape shape)
{
    fixture f;
    fixture_open(&f, threads, kernels);
    char text[512];
    snprintf(text, sizeof text,
        "{'layers': [{%s}, {'type': 'relu'}], 'optimizer': {'type': 'sgd', 'lr': 1}}", by->options);
    normd_session *session = fixture_session(&f, text);
    normd_tensor x = fixture_normal(&f, NORMD_F32, shape, 1);
    normd_tensor dy = fixture_normal(&f, NORMD_F32, shape, 2);
    normd_forward_result made;
    normd_tensor y = fixture_forward(&f, session, &x.array, NULL, true, &made);
    normd_tensor dx = fixture_backward(&f, session, made.step, true, &dy.array);
    normd_buffer *file = fixture_export(session);
    size_t bytes = normd_array_bytes(&y.array);
    bits *all = malloc(sizeof *all + 2 * bytes + file->size);
    all->size = 2 * bytes + file->size;
    memcpy(all->data, y.array.data, bytes);
    memcpy(all->data + bytes, dx.array.data, bytes);
    memcpy(all->data + 2 * bytes, file->data, file->size);
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_tensor_release(&dx);
    normd_tensor_release(&dy);
    normd_buffer_release(file);
    normd_session_destroy(session);
    fixture_close(&f);
    return all;
}

static void bits_are_the_same_for_any_threads_and_kernels(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        normd_shape shape = forms[i].shape;
        /* Enough for several tiles. */
        shape.dim[0] =
            100000 / (normd_array_elements(&(normd_array){.shape = shape}) / shape.dim[0]) + 2;
        bits *want = step_on("reference", 0, &forms[i], shape);
        const char *const kernels[] = {"baseline", NULL};
        for (size_t k = 0; k < 2; k++) {
            bits *got = step_on(kernels[k], 3, &forms[i], shape);
            assert_int_equal(got->size, want->size);
            assert_memory_equal(got->data, want->data, want->size);
            free(got);
        }
        free(want);
    }
}

static void instance_statistics_are_averages_over_the_samples(void **state)
{
    (void)state;
    /* Samples (0, 4) and (2, 8): means 2 and 5, variances 4 and 9, unbiased 8 and 18. */
    static const struct {
        const char *options;
        double mean, var;
    } rows[] = {
        {"'momentum': 0.5", 1.75, 7.0},
        {"'momentum': 0.5, 'running_variance': 'biased'", 1.75, 3.75},
        {"'momentum': null", 3.5, 13},
        {"'momentum': 0.5, 'axis': -1", 1.75, 7.0},
    };
    double values[4] = {0, 4, 2, 8};
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        char text[256];
        snprintf(text, sizeof text,
            "{'layers': [{'type': 'instance_norm', 'features': 1, 'track_running_stats': true, "
            "%s}], 'dtype': 'float64'}",
            rows[r].options);
        normd_session *session = fixture_session(&f, text);
        bool last = strstr(rows[r].options, "axis") != NULL;
        normd_array x = {.dtype = NORMD_F64, .shape = {3, {2, 1, 2}}, .data = values};
        if (last) {
            x.shape = (normd_shape){3, {2, 2, 1}};
        }
        normd_forward_result made;
        normd_tensor y = fixture_forward(&f, session, &x, NULL, true, &made);
        normd_buffer *file = fixture_export(session);
        normd_array mean = fixture_exported(file, "0.running_mean");
        normd_array var = fixture_exported(file, "0.running_var");
        normd_array batches = fixture_exported(file, "0.num_batches_tracked");
        int64_t counted;
        memcpy(&counted, batches.data, sizeof counted);
        assert_true(fixture_at(&mean, 0) == rows[r].mean);
        assert_true(fixture_at(&var, 0) == rows[r].var);
        assert_int_equal(counted, 1);
        normd_buffer_release(file);
        normd_tensor inferred = fixture_infer(&f, session, &x);
        double expected = (8 - rows[r].mean) / sqrt(rows[r].var + 1e-5);
        assert_true(fabs(fixture_at(&inferred.array, 3) - expected) <= 8 * DBL_EPSILON);
        normd_tensor_release(&y);
        normd_tensor_release(&inferred);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

static void bad_numbers_are_refused_in_training_and_stay_in_their_sample(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session =
        fixture_session(&f, "{'layers': [{'type': 'layer_norm', 'normalized_shape': 2}]}");
    float values[4] = {1, 2, 3, NAN};
    const normd_array array = {.dtype = NORMD_F32, .shape = {2, {2, 2}}, .data = values};
    normd_tensor x = fixture_copy(&f, &array), y;
    normd_forward_options options = {.update_stats = true};
    normd_forward_result made;
    normd_error error;
    assert_int_equal(
        normd_session_forward(session, &x, &options, &y, &made, &error), NORMD_NOT_FINITE);
    assert_string_equal(
        error.message, "x: expected finite values, got NaN or infinity in sample 1");
    y = fixture_infer(&f, session, &array);
    assert_true(isfinite(fixture_at(&y.array, 0)) && isfinite(fixture_at(&y.array, 1)));
    assert_true(isnan(fixture_at(&y.array, 2)) && isnan(fixture_at(&y.array, 3)));
    normd_tensor_release(&y);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_and_backward_follow_the_formulas),
        cmocka_unit_test(gradients_agree_with_central_differences),
        cmocka_unit_test(bits_are_the_same_for_any_threads_and_kernels),
        cmocka_unit_test(instance_statistics_are_averages_over_the_samples),
        cmocka_unit_test(bad_numbers_are_refused_in_training_and_stay_in_their_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
