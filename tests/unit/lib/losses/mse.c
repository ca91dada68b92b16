// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/losses/loss.h"

static void it_is_the_mean_of_squares(void **state)
{
    (void)state;
    const normd_kernels *kernels = normd_kernels_choose(NULL);
    normd_compute compute = {
        .kernels = &kernels->f32,
        .buffers = normd_buffer_cache_create(1 << 16),
        .dtype = NORMD_F32,
    };
    float y[4] = {1, 2, 3, 4};
    double wanted[4] = {0, 4, 3, 0};
    normd_array target = {.dtype = NORMD_F64, .shape = {2, {2, 2}}, .data = wanted};
    normd_loss_pass pass = {
        .compute = &compute, .y = y, .shape = {2, {2, 2}}, .target = &target, .gradient = y};
    normd_error error;
    assert_int_equal(normd_mse.run(&pass, &error), NORMD_OK);
    assert_true(pass.loss == (1 + 4 + 0 + 16) / 4.0);
    assert_false(pass.has_accuracy);
    assert_true(y[0] == 0.5F && y[1] == -1 && y[2] == 0 && y[3] == 2);
    target.shape = (normd_shape){1, {4}};
    assert_int_equal(normd_mse.run(&pass, &error), NORMD_BAD_SHAPE);
    assert_string_equal(error.message, "target: expected (2, 2), got (4,)");
    target = (normd_array){.dtype = NORMD_I64, .shape = {2, {2, 2}}, .data = wanted};
    assert_int_equal(normd_mse.run(&pass, &error), NORMD_BAD_ARGUMENT);
    assert_int_equal(normd_buffer_cache_bytes_out(compute.buffers), 0);
    normd_buffer_cache_destroy(compute.buffers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_mean_of_squares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
