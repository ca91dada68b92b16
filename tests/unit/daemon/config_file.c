// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config_file.h"

static normd_settings settings;
static normd_error error;
static char path[64];

static normd_status read_text(const char *text)
{
    strcpy(path, "/tmp/normd-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    normd_settings_default(&settings);
    normd_status status = normd_config_file_read(path, &settings, &error);
    unlink(path);
    return status;
}

static void names_and_values_may_stand_with_blanks_and_comments(void **state)
{
    (void)state;
    assert_int_equal(read_text("# a comment\n"
                               "\n"
                               "  port \t 4321  # behind a value\n"
                               "unix /a path/with blanks\r\n"
                               "threads 5"),
        NORMD_OK);
    assert_int_equal(settings.port, 4321);
    assert_string_equal(settings.unix_path, "/a path/with blanks");
    assert_int_equal(settings.threads, 5);
}

static void an_empty_file_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(read_text(""), NORMD_OK);
    assert_int_equal(settings.port, NORMD_DEFAULT_PORT);
}

static void mistakes_are_told_with_their_line(void **state)
{
    (void)state;
    char expected[256];
    assert_int_equal(read_text("port 1\n\nthreads none\n"), NORMD_BAD_ARGUMENT);
    snprintf(expected, sizeof expected,
        "%s:3: threads: expected a whole number from 1 to 1024, got \"none\"", path);
    assert_string_equal(error.message, expected);
    assert_int_equal(read_text("speed 9"), NORMD_BAD_ARGUMENT);
    snprintf(expected, sizeof expected, "%s:1: unknown option \"speed\"", path);
    assert_string_equal(error.message, expected);
    assert_int_equal(read_text("port # nothing\n"), NORMD_BAD_ARGUMENT);
    snprintf(
        expected, sizeof expected, "%s:1: port: expected a value behind the name, got none", path);
    assert_string_equal(error.message, expected);
}

static void a_file_that_is_not_there_is_told(void **state)
{
    (void)state;
    assert_int_equal(
        normd_config_file_read("/nowhere/normd.conf", &settings, &error), NORMD_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "/nowhere/normd.conf"));
}

static void a_directory_is_no_file(void **state)
{
    (void)state;
    assert_int_equal(normd_config_file_read("/tmp", &settings, &error), NORMD_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "/tmp"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_values_may_stand_with_blanks_and_comments),
        cmocka_unit_test(an_empty_file_changes_nothing),
        cmocka_unit_test(mistakes_are_told_with_their_line),
        cmocka_unit_test(a_file_that_is_not_there_is_told),
        cmocka_unit_test(a_directory_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
