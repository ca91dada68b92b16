// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/options/options.h"

static void names_count_without_case_and_underscores(void **state)
{
    (void)state;
    assert_true(normd_options_same_name("batch_norm2d", "BatchNorm2d"));
    assert_true(normd_options_same_name("rmsprop", "RMSprop"));
    assert_true(normd_options_same_name("_a__b", "AB_"));
    assert_false(normd_options_same_name("adam", "adamw"));
    assert_false(normd_options_same_name("adamw", "adam"));
    assert_false(normd_options_same_name("", "a"));
}

static void expect_plain(const char *text, const char *expected)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    json_t *want = json_loads(expected, JSON_DECODE_ANY, NULL);
    json_t *plain = normd_options_deserialize(value);
    assert_true(json_equal(plain, want));
    json_decref(plain);
    json_decref(want);
    json_decref(value);
}

static void what_keras_serializes_becomes_a_map_with_a_type(void **state)
{
    (void)state;
    expect_plain("{\"class_name\": \"SGD\", \"config\": {\"name\": \"sgd\", \"momentum\": 0.5}, "
                 "\"module\": \"m\", \"registered_name\": null}",
        "{\"type\": \"SGD\", \"momentum\": 0.5}");
    expect_plain("{\"class_name\": \"SGD\"}", "{\"type\": \"SGD\"}");
}

static void any_other_value_stays_as_it_is(void **state)
{
    (void)state;
    expect_plain("{\"type\": \"sgd\", \"lr\": 1}", "{\"type\": \"sgd\", \"lr\": 1}");
    expect_plain("{\"class_name\": \"SGD\", \"lr\": 1}", "{\"class_name\": \"SGD\", \"lr\": 1}");
    expect_plain(
        "{\"class_name\": \"SGD\", \"config\": 1}", "{\"class_name\": \"SGD\", \"config\": 1}");
    expect_plain("7", "7");
    assert_null(normd_options_deserialize(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_count_without_case_and_underscores),
        cmocka_unit_test(what_keras_serializes_becomes_a_map_with_a_type),
        cmocka_unit_test(any_other_value_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
