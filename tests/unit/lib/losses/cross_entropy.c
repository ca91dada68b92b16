// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "lib/losses/loss.h"

enum { MOST = 5000 };

static normd_compute open_compute(normd_dtype dtype)
{
    const normd_kernels *kernels = normd_kernels_choose(NULL);
    return (normd_compute){
        .kernels = dtype == NORMD_F32 ? &kernels->f32 : &kernels->f64,
        .buffers = normd_buffer_cache_create(1 << 16),
        .dtype = dtype,
    };
}

static void close_compute(normd_compute *compute)
{
    assert_int_equal(normd_buffer_cache_bytes_out(compute->buffers), 0);
    normd_buffer_cache_destroy(compute->buffers);
}

static normd_loss_pass run(const normd_compute *compute, const double *logits, normd_shape shape,
    const normd_array *target, double *gradient)
{
    normd_loss_pass pass = {
        .compute = compute,
        .y = logits,
        .shape = shape,
        .target = target,
        .gradient = gradient,
    };
    normd_error error;
    if (normd_cross_entropy.run(&pass, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    return pass;
}

static void it_follows_the_definition(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    const double logits[6] = {1, 2, 3, 0, 0, -5};
    const int32_t labels[2] = {2, 0};
    normd_array target = {.dtype = NORMD_I32, .shape = {1, {2}}};
    int32_t copy[2];
    memcpy(copy, labels, sizeof copy);
    target.data = copy;
    double gradient[6];
    normd_loss_pass pass = run(&compute, logits, (normd_shape){2, {2, 3}}, &target, gradient);
    double sums[2] = {exp(1) + exp(2) + exp(3), 2 + exp(-5)};
    double expected = (log(sums[0]) - 3 + log(sums[1])) / 2;
    /* A few roundings of numbers of order one to four. */
    assert_true(fabs(pass.loss - expected) <= 8 * DBL_EPSILON);
    for (size_t i = 0; i < 6; i++) {
        double one_hot = i == 2 || i == 3 ? 1 : 0;
        double p = exp(logits[i]) / sums[i / 3];
        assert_true(fabs(gradient[i] - (p - one_hot) / 2) <= 4 * DBL_EPSILON);
    }
    /* Row 1 has two largest: the first counts, and it is the label's. */
    assert_true(pass.has_accuracy);
    assert_true(pass.accuracy == 1.0);
    close_compute(&compute);
}

static void huge_logits_do_not_overflow(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    const double logits[4] = {1e300, -1e300, -1e300, -1e300};
    uint8_t labels[2] = {0, 1};
    normd_array target = {.dtype = NORMD_U8, .shape = {1, {2}}, .data = labels};
    double gradient[4];
    normd_loss_pass pass = run(&compute, logits, (normd_shape){2, {2, 2}}, &target, gradient);
    assert_true(pass.loss == log(2.0) / 2);
    assert_true(gradient[0] == 0.0 && gradient[1] == 0.0);
    assert_true(gradient[2] == 0.25 && gradient[3] == -0.25);
    assert_true(pass.accuracy == 0.5);
    close_compute(&compute);
}

static void probabilities_of_one_class_are_labels(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    static double logits[MOST];
    static double one_hot[MOST];
    static double in_place[MOST];
    int64_t labels[MOST / 5];
    for (size_t i = 0; i < MOST; i++) {
        logits[i] = sin((double)i * 1.7) * 4;
        one_hot[i] = 0;
    }
    for (size_t row = 0; row < MOST / 5; row++) {
        labels[row] = (int64_t)(row * 7 % 5);
        one_hot[row * 5 + (size_t)labels[row]] = 1;
    }
    memcpy(in_place, logits, sizeof in_place);
    normd_shape shape = {2, {MOST / 5, 5}};
    normd_array numbers = {.dtype = NORMD_I64, .shape = {1, {MOST / 5}}, .data = labels};
    normd_array shares = {.dtype = NORMD_F64, .shape = shape, .data = one_hot};
    static double gradient[MOST];
    normd_loss_pass a = run(&compute, logits, shape, &shares, gradient);
    normd_loss_pass b = run(&compute, in_place, shape, &numbers, in_place);
    assert_true(a.loss == b.loss);
    assert_true(a.accuracy == b.accuracy);
    assert_memory_equal(gradient, in_place, sizeof gradient);
    close_compute(&compute);
}

static void the_gradient_of_soft_targets_matches_differences(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double logits[4] = {0.3, -1.1, 0.8, 0.1};
    /* The second row does not add up to one: the gradient has its sum as a factor. */
    double shares[4] = {0.25, 0.75, 0.9, 0.6};
    normd_shape shape = {2, {2, 2}};
    normd_array target = {.dtype = NORMD_F64, .shape = shape, .data = shares};
    double gradient[4];
    run(&compute, logits, shape, &target, gradient);
    const double h = cbrt(DBL_EPSILON);
    for (size_t i = 0; i < 4; i++) {
        double value = logits[i];
        logits[i] = value + h;
        double above = run(&compute, logits, shape, &target, NULL).loss;
        logits[i] = value - h;
        double below = run(&compute, logits, shape, &target, NULL).loss;
        logits[i] = value;
        /* h^2 / 6 times a third derivative below 1, and a few roundings of the loss over h. */
        assert_true(fabs(gradient[i] - (above - below) / (2 * h)) <= h * h + 8 * DBL_EPSILON / h);
    }
    close_compute(&compute);
}

static void a_target_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double logits[6] = {0};
    uint64_t big[2] = {UINT64_MAX, 0};
    uint8_t flags[2] = {1, 0};
    normd_error error;
    normd_loss_pass pass = {.compute = &compute, .y = logits, .shape = {2, {2, 3}}};
    normd_array target = {.dtype = NORMD_U64, .shape = {1, {2}}, .data = big};
    pass.target = &target;
    assert_int_equal(normd_cross_entropy.run(&pass, &error), NORMD_BAD_ARGUMENT);
    target = (normd_array){.dtype = NORMD_BOOL, .shape = {1, {2}}, .data = flags};
    assert_int_equal(normd_cross_entropy.run(&pass, &error), NORMD_BAD_SHAPE);
    target = (normd_array){.dtype = NORMD_F64, .shape = {1, {2}}, .data = logits};
    assert_int_equal(normd_cross_entropy.run(&pass, &error), NORMD_BAD_SHAPE);
    pass.shape = (normd_shape){3, {2, 3, 1}};
    target = (normd_array){.dtype = NORMD_U8, .shape = {1, {2}}, .data = flags};
    assert_int_equal(normd_cross_entropy.run(&pass, &error), NORMD_BAD_SHAPE);
    close_compute(&compute);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_follows_the_definition),
        cmocka_unit_test(huge_logits_do_not_overflow),
        cmocka_unit_test(probabilities_of_one_class_are_labels),
        cmocka_unit_test(the_gradient_of_soft_targets_matches_differences),
        cmocka_unit_test(a_target_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
