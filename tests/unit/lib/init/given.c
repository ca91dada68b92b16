// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <string.h>

#include "lib/init/initializer.h"

enum { COUNT = 4 };

/* Reads {"init": option} for four values of the type. */
static normd_status read_given(const char *option, const normd_attachments *attachments,
    normd_dtype dtype, void *values, normd_error *error)
{
    json_t *map = json_object();
    json_object_set_new(map, "init", json_loads(option, JSON_DECODE_ANY, NULL));
    normd_options options;
    normd_options_begin(&options, map, attachments, "%s", "");
    normd_initializer_target target = {
        .dtype = dtype, .shape = {.rank = 1, .dim = {COUNT}}, .values = values};
    json_t *described = NULL;
    normd_initializer_read(&options, "init", "zeros", &target, &described);
    normd_status status = normd_options_finish(&options, error);
    if (status == NORMD_OK) {
        assert_string_equal(json_string_value(json_object_get(described, "name")), "array");
        assert_int_equal(json_object_size(described), 1);
    } else {
        assert_null(described);
    }
    json_decref(described);
    json_decref(map);
    return status;
}

static void expect_mistake(
    const char *option, const normd_attachments *attachments, const char *message)
{
    normd_error error;
    assert_int_equal(read_given(option, attachments, NORMD_F32, NULL, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, message);
}

static void a_list_of_numbers_is_taken(void **state)
{
    (void)state;
    float floats[COUNT];
    double doubles[COUNT];
    assert_int_equal(read_given("[1, 0.1, -2, 0]", NULL, NORMD_F32, floats, NULL), NORMD_OK);
    assert_int_equal(read_given("[1, 0.1, -2, 0]", NULL, NORMD_F64, doubles, NULL), NORMD_OK);
    assert_true(floats[0] == 1 && floats[1] == 0.1f && floats[2] == -2 && floats[3] == 0);
    assert_true(doubles[0] == 1 && doubles[1] == 0.1 && doubles[2] == -2 && doubles[3] == 0);
}

static void an_unaligned_array_of_another_type_is_taken(void **state)
{
    (void)state;
    const int16_t numbers[COUNT] = {-1, 2, 300, 32767};
    unsigned char bytes[1 + sizeof numbers];
    memcpy(bytes + 1, numbers, sizeof numbers);
    normd_array arrays[2] = {
        {.dtype = NORMD_F32, .shape = {.rank = 1, .dim = {0}}, .data = NULL},
        {.dtype = NORMD_I16, .shape = {.rank = 1, .dim = {COUNT}}, .data = bytes + 1},
    };
    normd_attachments attachments = {.array = arrays, .count = 2};
    float floats[COUNT];
    assert_int_equal(
        read_given("{\"$array\": 1}", &attachments, NORMD_F32, floats, NULL), NORMD_OK);
    assert_true(floats[0] == -1 && floats[1] == 2 && floats[2] == 300 && floats[3] == 32767);
    assert_int_equal(read_given("{\"$array\": 1}", &attachments, NORMD_F64, NULL, NULL), NORMD_OK);
}

static void wrong_lists_are_refused(void **state)
{
    (void)state;
    expect_mistake("[1, 2, 3]", NULL, "init: expected 4 values, got 3");
    expect_mistake("[1, 2, 3, 4, 5]", NULL, "init: expected 4 values, got 5");
    expect_mistake(
        "[1, 2, \"x\", 4]", NULL, "init: expected a finite number at index 2, got \"x\"");
    expect_mistake("[1, 2, 3, [4]]", NULL, "init: expected a finite number at index 3, got [4]");
    expect_mistake("[1, 1e39, 3, 4]", NULL, "init: expected a finite number at index 1, got 1e+39");
}

static void wrong_arrays_are_refused(void **state)
{
    (void)state;
    double numbers[COUNT] = {1, 2, NAN, 4};
    bool flags[COUNT] = {true, false, true, false};
    double large[COUNT] = {1, -1e300, 0, 0};
    normd_array arrays[] = {
        {.dtype = NORMD_F64, .shape = {.rank = 1, .dim = {COUNT}}, .data = numbers},
        {.dtype = NORMD_BOOL, .shape = {.rank = 1, .dim = {COUNT}}, .data = flags},
        {.dtype = NORMD_F64, .shape = {.rank = 1, .dim = {3}}, .data = numbers},
        {.dtype = NORMD_F64, .shape = {.rank = 1, .dim = {COUNT}}, .data = large},
        {.dtype = NORMD_F64, .shape = {.rank = 2, .dim = {2, 2}}, .data = large},
    };
    normd_attachments attachments = {.array = arrays, .count = 5};
    expect_mistake(
        "{\"$array\": 0}", &attachments, "init: expected finite values, got nan at index 2");
    expect_mistake("{\"$array\": 1}", &attachments, "init: expected an array of numbers, got bool");
    expect_mistake("{\"$array\": 2}", &attachments,
        "init: expected an array of shape (4,), got one of shape (3,)");
    expect_mistake("{\"$array\": 4}", &attachments,
        "init: expected an array of shape (4,), got one of shape (2, 2)");
    expect_mistake(
        "{\"$array\": 3}", &attachments, "init: expected finite values, got -1e+300 at index 1");
    double doubles[COUNT];
    assert_int_equal(
        read_given("{\"$array\": 3}", &attachments, NORMD_F64, doubles, NULL), NORMD_OK);
    assert_true(doubles[1] == -1e300);
}

static void references_to_nothing_are_refused(void **state)
{
    (void)state;
    float numbers[COUNT] = {0};
    normd_array array = {.dtype = NORMD_F32, .shape = {.rank = 1, .dim = {COUNT}}, .data = numbers};
    normd_attachments attachments = {.array = &array, .count = 1};
    static const char *const wrong[] = {"{\"$array\": 1}", "{\"$array\": -1}", "{\"$array\": 0.0}",
        "{\"$array\": \"0\"}", "{\"$array\": 0, \"name\": \"zeros\"}",
        "{\"$array\": 9223372036854775807}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        expect_mistake(wrong[i], &attachments, "init: expected an array, got a reference to none");
    }
    expect_mistake("{\"$array\": 0}", NULL, "init: expected an array, got a reference to none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_numbers_is_taken),
        cmocka_unit_test(an_unaligned_array_of_another_type_is_taken),
        cmocka_unit_test(wrong_lists_are_refused),
        cmocka_unit_test(wrong_arrays_are_refused),
        cmocka_unit_test(references_to_nothing_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
