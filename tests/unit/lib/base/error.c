// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "lib/base/error.h"

static void every_status_is_found_by_its_word(void **state)
{
    (void)state;
#define FIND(name, number, meaning)                                                                \
    assert_int_equal(normd_status_parse(#name, strlen(#name)), number);                            \
    assert_string_equal(normd_status_name(NORMD_##name), #name);
    NORMD_STATUS_MAP(FIND)
#undef FIND
    assert_int_equal(normd_status_parse("BAD", 3), -1);
    assert_int_equal(normd_status_parse("OKAY", 4), -1);
}

static void a_long_message_is_cut(void **state)
{
    (void)state;
    char word[2 * NORMD_ERROR_MESSAGE_BYTES];
    memset(word, 'a', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    normd_error error;
    assert_int_equal(normd_error_set(&error, NORMD_BAD_SHAPE, "%s", word), NORMD_BAD_SHAPE);
    assert_int_equal(strlen(error.message), NORMD_ERROR_MESSAGE_BYTES - 1);
    normd_error_prefix(&error, "x: ");
    assert_int_equal(strlen(error.message), NORMD_ERROR_MESSAGE_BYTES - 1);
    assert_memory_equal(error.message, "x: aaa", 6);
}

static void a_prefix_stands_before_the_message(void **state)
{
    (void)state;
    normd_error error;
    normd_error_set(&error, NORMD_BAD_ARGUMENT, "expected %d", 3);
    assert_int_equal(normd_error_prefix(&error, "layers[%d]: ", 2), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "layers[2]: expected 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_is_found_by_its_word),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(a_prefix_stands_before_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
