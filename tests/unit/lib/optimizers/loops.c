// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>

#include "lib/optimizers/loops.h"

static void gradients_are_clipped_then_scaled(void **state)
{
    (void)state;
    const double wide[5] = {-3, -0.5, 0, 0.75, 8};
    const float narrow[5] = {-3, -0.5F, 0, 0.75F, 8};
    static const double expected[5] = {2, 1, 0, -1.5, -2};
    double to[5];
    float to_narrow[5];
    normd_loops_scale(NORMD_F64, 1.0, -2.0, wide, to, 5);
    normd_loops_scale(NORMD_F32, 1.0, -2.0, narrow, to_narrow, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(to[i] == expected[i]);
        assert_true(to_narrow[i] == (float)expected[i]);
    }
}

static void without_a_limit_everything_passes(void **state)
{
    (void)state;
    const float gradient[3] = {INFINITY, NAN, -1e30F};
    float to[3];
    normd_loops_scale(NORMD_F32, INFINITY, 0.5, gradient, to, 3);
    assert_true(isinf(to[0]) && isnan(to[1]) && to[2] == -0.5e30F);
    normd_loops_scale(NORMD_F32, 1.0, 0.5, gradient, to, 3);
    assert_true(to[0] == 0.5F && isnan(to[1]) && to[2] == -0.5F);
}

static void decay_acts_on_the_gradient_or_the_weight(void **state)
{
    (void)state;
    const double weight = 4;
    const double gradient = 1;
    double new = 0;
    normd_update update = {.dtype = NORMD_F64,
        .count = 1,
        .weight = &weight,
        .gradient = &gradient,
        .new_weight = &new};
    normd_coefficients within = {
        .loop = NORMD_LOOP_SGD, .l2 = 0.5, .shrink = 1.0, .by_gradient = 0.25};
    normd_loops_run(&within, &update);
    assert_true(new == 4 - 0.25 * (1 + 0.5 * 4));
    normd_coefficients beside = {.loop = NORMD_LOOP_SGD, .shrink = 0.5, .by_gradient = 0.25};
    normd_loops_run(&beside, &update);
    assert_true(new == 0.5 * 4 - 0.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_clipped_then_scaled),
        cmocka_unit_test(without_a_limit_everything_passes),
        cmocka_unit_test(decay_acts_on_the_gradient_or_the_weight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
