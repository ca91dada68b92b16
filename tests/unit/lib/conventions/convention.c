// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/conventions/convention.h"

static void the_defaults_are_those_of_the_frameworks(void **state)
{
    (void)state;
    const normd_convention_facts *pytorch = normd_convention_facts_of(NORMD_PYTORCH);
    const normd_convention_facts *keras = normd_convention_facts_of(NORMD_KERAS);
    assert_true(pytorch->eps == 1e-5);
    assert_true(keras->eps == 1e-3);
    assert_true(pytorch->momentum == 0.1);
    assert_true(keras->momentum == 0.99);
    assert_false(pytorch->momentum_keeps);
    assert_true(keras->momentum_keeps);
    assert_true(pytorch->running_unbiased);
    assert_false(keras->running_unbiased);
    assert_false(pytorch->single_value_allowed);
    assert_true(keras->single_value_allowed);
    assert_int_equal(pytorch->axis, 1);
    assert_int_equal(keras->axis, -1);
    assert_string_equal(pytorch->running_var_name, "running_var");
    assert_string_equal(keras->running_var_name, "moving_variance");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_those_of_the_frameworks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
