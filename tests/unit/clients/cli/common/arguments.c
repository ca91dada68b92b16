// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "clients/cli/common/arguments.h"

enum { FLAG, UNNAMED, COUNT, NAME, ROWS };

static const normd_argument table[ROWS] = {
    [FLAG] = {"flag", NULL, "a flag"},
    [COUNT] = {"count", "N", "a count"},
    [NAME] = {"name", "TEXT", "a name"},
};

static normd_status read_words(
    char **words, bool stop, normd_arguments *arguments, normd_error *error)
{
    int count = 0;
    while (words[count] != NULL) {
        count++;
    }
    *error = (normd_error){.status = NORMD_OK};
    return normd_arguments_read(table, ROWS, count, words, stop, arguments, error);
}

#define WORDS(...)                                                                                 \
    (char *[])                                                                                     \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static char flag[] = "--flag", count[] = "--count", seven[] = "7", count_is[] = "--count=8";
static char first[] = "first", dashes[] = "--", minus[] = "-1", flag_is[] = "--flag=x";
static char unknown[] = "--unknown", name[] = "--name", help[] = "-h", dash[] = "-";

static void options_and_words_may_mix(void **state)
{
    (void)state;
    normd_arguments arguments;
    normd_error error;
    assert_int_equal(
        read_words(WORDS(first, count, seven, flag, name, minus, dash), false, &arguments, &error),
        NORMD_OK);
    assert_string_equal(arguments.value[COUNT], "7");
    assert_string_equal(arguments.value[FLAG], "");
    assert_string_equal(arguments.value[NAME], "-1");
    assert_int_equal(arguments.rest_count, 2);
    assert_string_equal(arguments.rest[0], "first");
    assert_string_equal(arguments.rest[1], "-");
    assert_int_equal(read_words(WORDS(count_is, help), false, &arguments, &error), NORMD_OK);
    assert_string_equal(arguments.value[COUNT], "8");
    assert_null(arguments.value[FLAG]);
    assert_true(arguments.help);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    normd_arguments arguments;
    normd_error error;
    assert_int_equal(read_words(WORDS(dashes, flag, minus), false, &arguments, &error), NORMD_OK);
    assert_null(arguments.value[FLAG]);
    assert_int_equal(arguments.rest_count, 2);
}

static void reading_can_stop_at_the_first_word(void **state)
{
    (void)state;
    normd_arguments arguments;
    normd_error error;
    assert_int_equal(
        read_words(WORDS(count, seven, first, unknown), true, &arguments, &error), NORMD_OK);
    assert_int_equal(arguments.taken, 2);
    assert_int_equal(arguments.rest_count, 0);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    normd_arguments arguments;
    normd_error error;
    assert_int_equal(read_words(WORDS(unknown), false, &arguments, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "unknown option --unknown");
    assert_int_equal(read_words(WORDS(count), false, &arguments, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "--count: expected a value (N)");
    assert_int_equal(read_words(WORDS(flag_is), false, &arguments, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "--flag: expected no value, got \"x\"");
    assert_int_equal(read_words(WORDS(minus), false, &arguments, &error), NORMD_BAD_ARGUMENT);
    char *many[] = {first, first, first, first, first, first, first, first, first, NULL};
    assert_int_equal(read_words(many, false, &arguments, &error), NORMD_BAD_ARGUMENT);
}

static void numbers_are_checked_against_their_range(void **state)
{
    (void)state;
    normd_arguments arguments;
    normd_error error;
    assert_int_equal(read_words(WORDS(count, seven), false, &arguments, &error), NORMD_OK);
    assert_int_equal(normd_arguments_count(table, &arguments, COUNT, 1, 1, 7, &error), 7);
    assert_int_equal(normd_arguments_count(table, &arguments, NAME, 3, 1, 7, &error), 3);
    assert_int_equal(error.status, NORMD_OK);
    assert_int_equal(normd_arguments_count(table, &arguments, COUNT, 1, 1, 6, &error), 1);
    assert_string_equal(error.message, "--count: expected a whole number in [1, 6], got \"7\"");
    /* The first mistake stays. */
    assert_true(normd_arguments_number(table, &arguments, COUNT, 2.0, 0.0, 1.0, &error) == 2.0);
    assert_non_null(strstr(error.message, "[1, 6]"));
}

static void a_row_without_a_name_is_no_option(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    normd_arguments_help(out, table, ROWS);
    fclose(out);
    assert_string_equal(text, "  --flag                  a flag\n"
                              "  --count N               a count\n"
                              "  --name TEXT             a name\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_words_may_mix),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(reading_can_stop_at_the_first_word),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(a_row_without_a_name_is_no_option),
        cmocka_unit_test(numbers_are_checked_against_their_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
