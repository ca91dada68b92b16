// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <stdlib.h>

#include "clients/cli/common/number.h"

static void a_number_is_the_whole_text(void **state)
{
    (void)state;
    double value;
    assert_true(normd_number_parse("1e-3", &value) && value == 1e-3);
    assert_true(normd_number_parse("-0.5", &value) && value == -0.5);
    assert_true(normd_number_parse("nan", &value) && isnan(value));
    assert_false(normd_number_parse("", &value));
    assert_false(normd_number_parse(" 1", &value));
    assert_false(normd_number_parse("1 ", &value));
    assert_false(normd_number_parse("1x", &value));
}

static void a_count_does_not_overflow(void **state)
{
    (void)state;
    size_t value;
    assert_true(normd_number_parse_count("18446744073709551615", &value) && value == SIZE_MAX);
    assert_false(normd_number_parse_count("18446744073709551616", &value));
    assert_false(normd_number_parse_count("99999999999999999999", &value));
    assert_false(normd_number_parse_count("-1", &value));
    assert_false(normd_number_parse_count("", &value));
}

static void a_shape_has_extents_of_at_least_one(void **state)
{
    (void)state;
    normd_shape shape;
    assert_true(normd_number_parse_shape("32x64x7", &shape));
    assert_int_equal(shape.rank, 3);
    assert_int_equal(shape.dim[0], 32);
    assert_int_equal(shape.dim[2], 7);
    assert_true(normd_number_parse_shape("5", &shape) && shape.rank == 1);
    static const char *const wrong[] = {"", "x", "3x", "x3", "0", "3x0", "3 x 4", "-1",
        "1x1x1x1x1x1x1x1x1", "4294967296x4294967296"};
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        assert_false(normd_number_parse_shape(wrong[k], &shape));
    }
}

static void a_range_may_leave_out_its_sides(void **state)
{
    (void)state;
    size_t begin;
    size_t end;
    assert_true(normd_number_parse_range("3:7", &begin, &end) && begin == 3 && end == 7);
    assert_true(normd_number_parse_range(":7", &begin, &end) && begin == 0 && end == 7);
    assert_true(normd_number_parse_range("3:", &begin, &end) && begin == 3 && end == SIZE_MAX);
    assert_true(normd_number_parse_range(":", &begin, &end) && begin == 0 && end == SIZE_MAX);
    static const char *const wrong[] = {"", "3", "7:3", "a:b", "3:b", "3:7:9", "-1:2", "3:7 "};
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        assert_false(normd_number_parse_range(wrong[k], &begin, &end));
    }
}

static void a_written_number_reads_back_the_same(void **state)
{
    (void)state;
    char text[NORMD_NUMBER_TEXT_BYTES];
    assert_string_equal(normd_number_format(0.1f, true, text), "0.1");
    assert_string_equal(normd_number_format(0.1, false, text), "0.1");
    static const double values[] = {1.0 / 3.0, 1e300, 5e-324, -123456789.123, 0x1.fffffffffffffp0};
    for (size_t k = 0; k < sizeof values / sizeof values[0]; k++) {
        assert_true(strtod(normd_number_format(values[k], false, text), NULL) == values[k]);
        float single = (float)values[k];
        if (isfinite(single)) {
            assert_true(strtof(normd_number_format((double)single, true, text), NULL) == single);
        }
    }
}

static void short_counts_keep_three_digits(void **state)
{
    (void)state;
    char text[NORMD_NUMBER_TEXT_BYTES];
    assert_string_equal(normd_number_format_short(987, text), "987");
    assert_string_equal(normd_number_format_short(999.7, text), "1.00k");
    assert_string_equal(normd_number_format_short(12345, text), "12.3k");
    assert_string_equal(normd_number_format_short(4560000, text), "4.56M");
    assert_string_equal(normd_number_format_short(0, text), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_the_whole_text),
        cmocka_unit_test(a_count_does_not_overflow),
        cmocka_unit_test(a_shape_has_extents_of_at_least_one),
        cmocka_unit_test(a_range_may_leave_out_its_sides),
        cmocka_unit_test(a_written_number_reads_back_the_same),
        cmocka_unit_test(short_counts_keep_three_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
