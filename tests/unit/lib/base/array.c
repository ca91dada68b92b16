// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "lib/base/array.h"

static void every_dtype_is_found_by_each_of_its_names(void **state)
{
    (void)state;
    for (int i = 0; i < NORMD_DTYPE_COUNT; i++) {
        normd_dtype dtype = (normd_dtype)i;
        normd_dtype found = NORMD_DTYPE_COUNT;
        const char *wire = normd_dtype_wire_name(dtype);
        assert_true(normd_dtype_parse_wire(wire, strlen(wire), &found));
        assert_int_equal(found, dtype);
        assert_true(normd_dtype_parse_title(normd_dtype_title(dtype), &found));
        assert_int_equal(found, dtype);
        assert_true(normd_dtype_parse_safetensors(normd_dtype_safetensors_name(dtype), &found));
        assert_int_equal(found, dtype);
    }
}

static void a_byte_order_counts_only_where_there_is_one(void **state)
{
    (void)state;
    normd_dtype dtype;
    assert_true(normd_dtype_parse_wire("=f4", 3, &dtype));
    assert_int_equal(dtype, NORMD_F32);
    assert_false(normd_dtype_parse_wire(">f4", 3, &dtype));
    assert_false(normd_dtype_parse_wire("|f4", 3, &dtype));
    assert_true(normd_dtype_parse_wire(">u1", 3, &dtype));
    assert_int_equal(dtype, NORMD_U8);
    assert_false(normd_dtype_parse_wire("<f4 ", 4, &dtype));
    assert_false(normd_dtype_parse_wire("|O8", 3, &dtype));
}

static void a_shape_whose_bytes_overflow_has_no_elements(void **state)
{
    (void)state;
    size_t elements = 7;
    normd_shape shape = {.rank = 2, .dim = {SIZE_MAX / 2, 3}};
    assert_false(normd_shape_elements(&shape, &elements));
    shape = (normd_shape){.rank = 1, .dim = {SIZE_MAX / 4}};
    assert_false(normd_shape_elements(&shape, &elements));
    assert_int_equal(elements, 7);
    shape = (normd_shape){.rank = 3, .dim = {4, 0, 5}};
    assert_true(normd_shape_elements(&shape, &elements));
    assert_int_equal(elements, 0);
    shape = (normd_shape){.rank = 0};
    assert_true(normd_shape_elements(&shape, &elements));
    assert_int_equal(elements, 1);
}

static void shapes_are_written_as_numpy_writes_them(void **state)
{
    (void)state;
    char text[NORMD_SHAPE_TEXT_BYTES];
    normd_shape shape = {.rank = 2, .dim = {32, 256}};
    assert_string_equal(normd_shape_format(&shape, text, sizeof text), "(32, 256)");
    shape = (normd_shape){.rank = 1, .dim = {7}};
    assert_string_equal(normd_shape_format(&shape, text, sizeof text), "(7,)");
    shape = (normd_shape){.rank = 0};
    assert_string_equal(normd_shape_format(&shape, text, sizeof text), "()");
    shape = (normd_shape){.rank = 8,
        .dim = {SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX}};
    assert_int_equal(strlen(normd_shape_format(&shape, text, sizeof text)), 8 * 20 + 7 * 2 + 2);
    char tiny[4];
    assert_string_equal(normd_shape_format(&shape, tiny, sizeof tiny), "(18");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype_is_found_by_each_of_its_names),
        cmocka_unit_test(a_byte_order_counts_only_where_there_is_one),
        cmocka_unit_test(a_shape_whose_bytes_overflow_has_no_elements),
        cmocka_unit_test(shapes_are_written_as_numpy_writes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
