// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <string.h>

#include "lib/options/options.h"

/* Every test reads one map with the path "layers[1]". */
static json_t *map;
static normd_options options;

static void begin(const char *text)
{
    map = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(map);
    normd_options_begin(&options, map, NULL, "layers[%d]", 1);
}

static void expect_good(void)
{
    normd_error error = {.status = NORMD_OK};
    assert_int_equal(normd_options_finish(&options, &error), NORMD_OK);
    json_decref(map);
}

static void expect_mistake(const char *message)
{
    normd_error error = {.status = NORMD_OK};
    assert_int_equal(normd_options_finish(&options, &error), NORMD_BAD_ARGUMENT);
    assert_int_equal(error.status, NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, message);
    json_decref(map);
}

static void missing_keys_give_the_defaults(void **state)
{
    (void)state;
    static const char *const words[] = {"a", "b", NULL};
    bool is_null = true;
    begin("{}");
    assert_true(normd_options_bool(&options, "bool", true));
    assert_true(normd_options_number(&options, "number", 2.5, 0, 1) == 2.5);
    assert_true(normd_options_number_or_null(&options, "n", 7, 0, 1, &is_null) == 7);
    assert_true(is_null);
    assert_int_equal(normd_options_integer(&options, "integer", -3, 0, 1), -3);
    assert_int_equal(normd_options_word(&options, "word", words, 1), 1);
    assert_null(normd_options_string(&options, "string"));
    assert_null(normd_options_any(&options, "any"));
    assert_false(normd_options_has(&options, "has"));
    expect_good();
}

static void given_keys_are_read(void **state)
{
    (void)state;
    static const char *const words[] = {"a", "b", NULL};
    bool is_null = true;
    begin("{\"bool\": false, \"number\": 1, \"n\": 0.5, \"integer\": -9223372036854775808,"
          "\"word\": \"b\", \"string\": \"text\", \"any\": [1]}");
    assert_true(normd_options_has(&options, "bool"));
    assert_false(normd_options_bool(&options, "bool", true));
    assert_true(normd_options_number(&options, "number", 2.5, 0, 1) == 1.0);
    assert_true(normd_options_number_or_null(&options, "n", 7, 0, 1, &is_null) == 0.5);
    assert_false(is_null);
    assert_true(normd_options_integer(&options, "integer", 0, INT64_MIN, 0) == INT64_MIN);
    assert_int_equal(normd_options_word(&options, "word", words, 0), 1);
    assert_string_equal(normd_options_string(&options, "string"), "text");
    assert_int_equal(json_array_size(normd_options_any(&options, "any")), 1);
    expect_good();
}

static void null_is_a_value_only_where_it_is_asked_for(void **state)
{
    (void)state;
    bool is_null = false;
    begin("{\"momentum\": null}");
    normd_options_number_or_null(&options, "momentum", 0.1, 0, 1, &is_null);
    assert_true(is_null);
    expect_good();
    begin("{\"momentum\": null}");
    assert_true(normd_options_number(&options, "momentum", 0.1, 0, 1) == 0.1);
    expect_mistake("layers[1].momentum: expected a number in [0, 1], got null");
}

static void a_wrong_value_names_path_range_and_what_came(void **state)
{
    (void)state;
    static const char *const words[] = {"sgd", "adam", NULL};
    bool is_null = false;
    begin("{\"eps\": \"small\"}");
    assert_true(normd_options_number(&options, "eps", 1e-5, 0, INFINITY) == 1e-5);
    expect_mistake("layers[1].eps: expected a number in [0, inf], got \"small\"");
    begin("{\"eps\": -0.25}");
    normd_options_number(&options, "eps", 1e-5, 0, INFINITY);
    expect_mistake("layers[1].eps: expected a number in [0, inf], got -0.25");
    begin("{\"momentum\": true}");
    normd_options_number_or_null(&options, "momentum", 0, 0, 1, &is_null);
    expect_mistake("layers[1].momentum: expected a number in [0, 1] or null, got true");
    begin("{\"affine\": 1}");
    assert_true(normd_options_bool(&options, "affine", true));
    expect_mistake("layers[1].affine: expected true or false, got 1");
    begin("{\"axis\": 1.0}");
    normd_options_integer(&options, "axis", 1, -8, 7);
    expect_mistake("layers[1].axis: expected an integer in [-8, 7], got 1.0");
    begin("{\"axis\": 8}");
    normd_options_integer(&options, "axis", 1, -8, 7);
    expect_mistake("layers[1].axis: expected an integer in [-8, 7], got 8");
    begin("{\"type\": \"lion\"}");
    assert_int_equal(normd_options_word(&options, "type", words, 0), 0);
    expect_mistake("layers[1].type: expected one of \"sgd\", \"adam\", got \"lion\"");
    begin("{\"type\": 3}");
    normd_options_word(&options, "type", words, 0);
    expect_mistake("layers[1].type: expected one of \"sgd\", \"adam\", got 3");
    begin("{\"name\": \"\"}");
    assert_null(normd_options_string(&options, "name"));
    expect_mistake("layers[1].name: expected a string that is not empty, got \"\"");
    begin("{\"name\": [1]}");
    assert_null(normd_options_string(&options, "name"));
    expect_mistake("layers[1].name: expected a string that is not empty, got [1]");
}

static void the_first_mistake_sticks(void **state)
{
    (void)state;
    begin("{\"a\": 1, \"b\": 2, \"c\": true}");
    normd_options_bool(&options, "a", false);
    normd_options_bool(&options, "b", false);
    assert_false(normd_options_bool(&options, "c", false)); /* no longer read */
    normd_options_fail(&options, "d", "expected more");
    expect_mistake("layers[1].a: expected true or false, got 1");
}

static void a_callers_mistake_gets_the_path(void **state)
{
    (void)state;
    begin("{}");
    normd_options_fail(&options, "out", "expected %d, got nothing", 3);
    expect_mistake("layers[1].out: expected 3, got nothing");
    map = json_object();
    normd_options_begin(&options, map, NULL, "%s", "");
    normd_options_fail(&options, "out", "expected %d, got nothing", 3);
    expect_mistake("out: expected 3, got nothing");
}

static void unknown_keys_are_refused(void **state)
{
    (void)state;
    begin("{\"eps\": 1, \"momentun\": 0.1}");
    normd_options_number(&options, "eps", 0, 0, 1);
    normd_options_number(&options, "momentum", 0, 0, 1);
    expect_mistake("layers[1]: expected the keys \"eps\", \"momentum\", got \"momentun\"");
    map = json_pack("{s:i}", "x", 1);
    normd_options_begin(&options, map, NULL, "%s", "");
    normd_options_bool(&options, "y", false);
    expect_mistake("options: expected the keys \"y\", got \"x\"");
}

static void a_key_may_be_asked_for_often(void **state)
{
    (void)state;
    begin("{\"eps\": 1}");
    for (int i = 0; i < 2 * NORMD_OPTIONS_MAX_KEYS; i++) {
        assert_true(normd_options_number(&options, "eps", 0, 0, 1) == 1.0);
    }
    expect_good();
}

static void what_is_no_map_is_refused(void **state)
{
    (void)state;
    begin("[1, 2]");
    assert_int_equal(normd_options_integer(&options, "x", 4, 0, 9), 4);
    assert_false(normd_options_has(&options, "x"));
    expect_mistake("layers[1]: expected a map, got [1, 2]");
    map = NULL;
    normd_options_begin(&options, NULL, NULL, "layers[%d]", 1);
    assert_int_equal(normd_options_integer(&options, "x", 4, 0, 9), 4);
    expect_good();
}

static void long_keys_and_paths_stay_within_the_message(void **state)
{
    (void)state;
    char path[300];
    char key[2000];
    memset(path, 'p', sizeof path - 1);
    memset(key, 'k', sizeof key - 1);
    path[sizeof path - 1] = key[sizeof key - 1] = '\0';
    map = json_object();
    json_object_set_new(map, key, json_true());
    normd_options_begin(&options, map, NULL, "%s", path);
    normd_options_number(&options, "eps", 0, 0, 1);
    normd_error error;
    assert_int_equal(normd_options_finish(&options, &error), NORMD_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "expected the keys \"eps\", got \"kkk"));
    assert_int_equal(normd_options_finish(&options, NULL), NORMD_BAD_ARGUMENT);
    json_decref(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_keys_give_the_defaults),
        cmocka_unit_test(given_keys_are_read),
        cmocka_unit_test(null_is_a_value_only_where_it_is_asked_for),
        cmocka_unit_test(a_wrong_value_names_path_range_and_what_came),
        cmocka_unit_test(the_first_mistake_sticks),
        cmocka_unit_test(a_callers_mistake_gets_the_path),
        cmocka_unit_test(unknown_keys_are_refused),
        cmocka_unit_test(a_key_may_be_asked_for_often),
        cmocka_unit_test(what_is_no_map_is_refused),
        cmocka_unit_test(long_keys_and_paths_stay_within_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
