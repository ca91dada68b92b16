// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/tensor/permute.h"

static void an_axis_of_the_permuted_array_is_the_one_that_is_named(void **state)
{
    (void)state;
    const normd_shape shape = {4, {2, 3, 4, 5}};
    const uint8_t axes[] = {2, 3, 1, 0};
    normd_shape permuted = normd_permute_shape(&shape, axes);
    assert_true(normd_shape_equal(&permuted, &(normd_shape){4, {4, 5, 3, 2}}));
    float values[120];
    float moved[120];
    float back[120];
    for (size_t i = 0; i < 120; i++) {
        values[i] = (float)i;
    }
    normd_permute_values(&shape, axes, sizeof(float), values, moved);
    for (size_t n = 0; n < 120; n++) {
        size_t o = n % 2, c = n / 2 % 3, w = n / 6 % 5, h = n / 30;
        size_t place = ((o * 3 + c) * 4 + h) * 5 + w;
        assert_true(moved[n] == (float)place);
        assert_int_equal(normd_permute_place(&shape, axes, n), place);
    }
    normd_permute_back(&shape, axes, sizeof(float), moved, back);
    assert_memory_equal(values, back, sizeof values);
}

static void no_axes_leave_everything_as_it_is(void **state)
{
    (void)state;
    const normd_shape shape = {2, {3, 2}};
    normd_shape same = normd_permute_shape(&shape, NULL);
    assert_true(normd_shape_equal(&shape, &same));
    assert_int_equal(normd_permute_place(&shape, NULL, 5), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_axis_of_the_permuted_array_is_the_one_that_is_named),
        cmocka_unit_test(no_axes_leave_everything_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
