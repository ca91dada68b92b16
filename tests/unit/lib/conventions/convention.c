// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/conventions/convention.h"

static void names_give_their_convention(void **state)
{
    (void)state;
    for (int i = 0; i < NORMD_CONVENTION_COUNT; i++) {
        normd_convention convention = NORMD_CONVENTION_COUNT;
        const char *name = normd_convention_facts_of((normd_convention)i)->name;
        assert_int_equal(normd_convention_parse(name, &convention, NULL), NORMD_OK);
        assert_int_equal(convention, i);
    }
}

static void other_names_are_refused(void **state)
{
    (void)state;
    normd_convention convention = NORMD_KERAS;
    normd_error error;
    assert_int_equal(normd_convention_parse("PyTorch", &convention, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(
        error.message, "convention: expected \"pytorch\" or \"keras\", got \"PyTorch\"");
    assert_int_equal(convention, NORMD_KERAS);
    assert_int_equal(normd_convention_parse("", &convention, &error), NORMD_BAD_ARGUMENT);
}

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
        cmocka_unit_test(names_give_their_convention),
        cmocka_unit_test(other_names_are_refused),
        cmocka_unit_test(the_defaults_are_those_of_the_frameworks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
