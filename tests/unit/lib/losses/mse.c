// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/losses/loss_case.h"

static void it_is_the_mean_of_squares(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F32);
    normd_loss *loss = make_loss("'mse'", NULL, NORMD_PYTORCH);
    float y[4] = {1, 2, 3, 4};
    double wanted[4] = {0, 4, 3, 0};
    normd_array target = {.dtype = NORMD_F64, .shape = {2, {2, 2}}, .data = wanted};
    normd_loss_pass pass = {
        .compute = &compute, .y = y, .shape = {2, {2, 2}}, .target = &target, .gradient = y};
    normd_error error;
    assert_int_equal(normd_loss_run(loss, &pass, &error), NORMD_OK);
    assert_true(pass.loss == (1 + 4 + 0 + 16) / 4.0);
    assert_false(pass.has_accuracy);
    assert_true(y[0] == 0.5F && y[1] == -1 && y[2] == 0 && y[3] == 2);
    target.shape = (normd_shape){1, {4}};
    assert_int_equal(normd_loss_run(loss, &pass, &error), NORMD_BAD_SHAPE);
    assert_string_equal(error.message, "target: expected (2, 2), got (4,)");
    target = (normd_array){.dtype = NORMD_I64, .shape = {2, {2, 2}}, .data = wanted};
    assert_int_equal(normd_loss_run(loss, &pass, &error), NORMD_BAD_ARGUMENT);
    normd_loss_destroy(loss);
    close_compute(&compute);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_mean_of_squares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
