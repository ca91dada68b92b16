// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/losses/loss_case.h"

enum { COUNT = 6 };

static void extreme_logits_neither_overflow_nor_cancel(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double y[COUNT] = {1e4, -1e4, 1e4, -1e4, -40, 0};
    double wanted[COUNT] = {1, 0, 0, 1, 0, 1};
    double gradient[COUNT];
    normd_array target = {.dtype = NORMD_F64, .shape = {2, {COUNT, 1}}, .data = wanted};
    normd_loss *loss =
        make_loss("{'type': 'bce_with_logits', 'reduction': 'sum'}", "['accuracy']", NORMD_PYTORCH);
    normd_loss_pass pass = {.compute = &compute,
        .y = y,
        .shape = {2, {COUNT, 1}},
        .target = &target,
        .gradient = gradient};
    run_loss(loss, &pass);
    assert_true(fabs(pass.loss - (2e4 + exp(-40) + log(2))) <= 4e4 * DBL_EPSILON);
    assert_true(gradient[0] == 0 && gradient[1] == 0 && gradient[2] == 1 && gradient[3] == -1);
    /* 1 - 1 / (1 + e^-40) would be 0. */
    assert_true(fabs(gradient[4] - exp(-40)) <= 8 * DBL_EPSILON * exp(-40));
    assert_true(gradient[5] == -0.5);
    /* A logit of 0 is no positive decision. */
    assert_true(pass.accuracy == 0.5 && pass.metric[0].value == 0.5);
    normd_loss_destroy(loss);
    close_compute(&compute);
}

static void probabilities_are_kept_off_0_and_1(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double y[2] = {0, 1.5};
    uint8_t wanted[2] = {1, 0};
    double gradient[2];
    normd_array target = {.dtype = NORMD_U8, .shape = {2, {2, 1}}, .data = wanted};
    normd_loss *loss = make_loss("'binary_crossentropy'", NULL, NORMD_KERAS);
    normd_loss_pass pass = {
        .compute = &compute, .y = y, .shape = {2, {2, 1}}, .target = &target, .gradient = gradient};
    run_loss(loss, &pass);
    assert_true(fabs(pass.loss + log(1e-7)) <= 1e-8);
    assert_true(gradient[0] == 0 && gradient[1] == 0);
    assert_true(pass.accuracy == 0);
    y[0] = NAN;
    run_loss(loss, &pass);
    assert_true(isnan(pass.loss));
    normd_loss_destroy(loss);
    close_compute(&compute);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extreme_logits_neither_overflow_nor_cancel),
        cmocka_unit_test(probabilities_are_kept_off_0_and_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
