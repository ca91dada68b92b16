// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "lib/options/options.h"

static void expect_shown(const char *json, const char *expected)
{
    char text[NORMD_OPTIONS_SHOW_BYTES];
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    assert_ptr_equal(normd_options_show(value, text, sizeof text), text);
    assert_string_equal(text, expected);
    json_decref(value);
}

static void values_are_shown_as_people_write_them(void **state)
{
    (void)state;
    expect_shown("3", "3");
    expect_shown("-9223372036854775808", "-9223372036854775808");
    expect_shown("0.1", "0.1");
    expect_shown("1.0", "1.0");
    expect_shown("-2e3", "-2000.0");
    expect_shown("1.0000000000000002", "1.0000000000000002");
    expect_shown("1e300", "1e+300");
    expect_shown("true", "true");
    expect_shown("false", "false");
    expect_shown("null", "null");
    expect_shown("\"small\"", "\"small\"");
    expect_shown("{\"a\": 1}", "a map");
    expect_shown("{}", "a map");
    expect_shown("{\"$array\": 0}", "an array");
    char text[NORMD_OPTIONS_SHOW_BYTES];
    assert_string_equal(normd_options_show(NULL, text, sizeof text), "nothing");
}

static void lists_show_their_beginning(void **state)
{
    (void)state;
    expect_shown("[]", "[]");
    expect_shown("[1, 2, 3]", "[1, 2, 3]");
    expect_shown("[1, 2, 3, 4]", "[1, 2, 3, ...]");
    expect_shown("[[1], {\"a\": 2}, \"b\"]", "[a list, a map, \"b\"]");
    expect_shown("[-0.12345678901234568, -9223372036854775808]",
        "[-0.12345678901234568, -9223372036854775808]");
    /* Elements are cut, and left out when there is no room. */
    expect_shown("[\"a text of more than twenty bytes\", 2]", "[\"a text of more than tw...\", 2]");
    expect_shown("[\"a text of more than twenty bytes\", \"a text of more than twenty bytes\", 3]",
        "[\"a text of more than tw...\", \"a text of more than tw...\", ...]");
    char text[16];
    json_t *list = json_pack("[s]", "a text of more than twenty bytes");
    assert_string_equal(normd_options_show(list, text, sizeof text), "[...]");
    json_decref(list);
}

static void strings_are_escaped(void **state)
{
    (void)state;
    expect_shown("\"a\\\"b\\\\c\\n\\u001b[0m\\u007f\"", "\"a\\\"b\\\\c\\u000a\\u001b[0m\\u007f\"");
}

static void long_strings_are_cut_between_characters(void **state)
{
    (void)state;
    char text[16];
    /* 15 bytes and a NUL: quote, up to ten bytes, dots and quote. */
    assert_string_equal(
        normd_options_show_string("abcdefghij", 10, text, sizeof text), "\"abcdefghij\"");
    assert_string_equal(
        normd_options_show_string("abcdefghijk", 11, text, sizeof text), "\"abcdefghij...\"");
    /* Two-byte characters after one byte: the fifth would straddle the cut. */
    assert_string_equal(
        normd_options_show_string("aööööööö", strlen("aööööööö"), text, sizeof text),
        "\"aöööö...\"");
}

static void bytes_that_are_no_text_are_let_pass(void **state)
{
    (void)state;
    char text[16];
    assert_string_equal(normd_options_show_string("\xf0", 1, text, sizeof text), "\"\xf0\"");
    assert_string_equal(
        normd_options_show_string("a\xe2\x82", 3, text, sizeof text), "\"a\xe2\x82\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_shown_as_people_write_them),
        cmocka_unit_test(lists_show_their_beginning),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(long_strings_are_cut_between_characters),
        cmocka_unit_test(bytes_that_are_no_text_are_let_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
