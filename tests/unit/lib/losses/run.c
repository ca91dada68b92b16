// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/losses/loss_case.h"

static void sample_weights_are_checked(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double y[4] = {1, 2, 3, 4};
    double wanted[4] = {0};
    normd_array target = {.dtype = NORMD_F64, .shape = {2, {2, 2}}, .data = wanted};
    double given[3] = {1, 2, 3};
    normd_array weights = {.dtype = NORMD_F64, .shape = {1, {3}}, .data = given};
    normd_loss *loss = make_loss("'mse'", NULL, NORMD_PYTORCH);
    normd_loss_pass pass = {.compute = &compute,
        .y = y,
        .shape = {2, {2, 2}},
        .target = &target,
        .sample_weight = &weights};
    normd_error error;
    assert_int_equal(normd_loss_run(loss, &pass, &error), NORMD_BAD_SHAPE);
    assert_string_equal(
        error.message, "sample_weight: expected one number a sample, shape (2,), got (3,)");
    weights.shape = (normd_shape){2, {2, 1}};
    assert_int_equal(normd_loss_run(loss, &pass, &error), NORMD_BAD_SHAPE);
    weights.shape = (normd_shape){1, {2}};
    const double bad[] = {-1, NAN, INFINITY};
    for (size_t i = 0; i < 3; i++) {
        given[1] = bad[i];
        assert_int_equal(normd_loss_run(loss, &pass, &error), NORMD_BAD_ARGUMENT);
    }
    weights.dtype = NORMD_BOOL;
    assert_int_equal(normd_loss_run(loss, &pass, &error), NORMD_BAD_ARGUMENT);
    int8_t whole[2] = {2, 0};
    weights = (normd_array){.dtype = NORMD_I8, .shape = {1, {2}}, .data = whole};
    run_loss(loss, &pass);
    assert_true(pass.loss == (2 * (1 + 4)) / 4.0);
    normd_loss_destroy(loss);
    close_compute(&compute);
}

/* Many tiles, whose sums do not depend on who computes them. */
static void weights_of_one_change_no_bit(void **state)
{
    (void)state;
    enum { ROWS = 5000, COLUMNS = 4 };
    static float y[ROWS * COLUMNS];
    static float wanted[ROWS * COLUMNS];
    static float gradient[2][ROWS * COLUMNS];
    static float ones[ROWS];
    for (size_t i = 0; i < ROWS * COLUMNS; i++) {
        y[i] = sinf((float)i * 0.7F);
        wanted[i] = cosf((float)i * 1.3F);
        ones[i / COLUMNS] = 1;
    }
    normd_compute compute = open_compute(NORMD_F32);
    normd_array target = {.dtype = NORMD_F32, .shape = {2, {ROWS, COLUMNS}}, .data = wanted};
    normd_array weights = {.dtype = NORMD_F32, .shape = {1, {ROWS}}, .data = ones};
    normd_loss *loss = make_loss("'huber'", NULL, NORMD_KERAS);
    double losses[2];
    for (size_t weighted = 0; weighted < 2; weighted++) {
        normd_loss_pass pass = {.compute = &compute,
            .y = y,
            .shape = target.shape,
            .target = &target,
            .sample_weight = weighted ? &weights : NULL,
            .gradient = gradient[weighted]};
        run_loss(loss, &pass);
        losses[weighted] = pass.loss;
    }
    assert_true(losses[0] == losses[1]);
    assert_memory_equal(gradient[0], gradient[1], sizeof gradient[0]);
    normd_loss_destroy(loss);
    close_compute(&compute);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_weights_are_checked),
        cmocka_unit_test(weights_of_one_change_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
