// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/settings.h"

/* Reads a command line, given as a list that ends with NULL. */
static normd_status read_line(normd_settings *settings, normd_settings_action *action,
    normd_error *error, const char *const words[])
{
    char *argv[16] = {NULL};
    int argc = 0;
    argv[argc++] = strdup("normd");
    for (; words[argc - 1] != NULL; argc++) {
        argv[argc] = strdup(words[argc - 1]);
    }
    normd_status status = normd_settings_read(settings, argc, argv, action, error);
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
    return status;
}

#define READ(...) read_line(&settings, &action, &error, (const char *const[]){__VA_ARGS__})

static normd_settings settings;
static normd_settings_action action;
static normd_error error;

static int forget_environment(void **state)
{
    (void)state;
    return unsetenv("NORMD_INSTRUCTION_SET");
}

static void without_options_the_defaults_hold(void **state)
{
    (void)state;
    assert_int_equal(READ(NULL), NORMD_OK);
    assert_int_equal(action, NORMD_SETTINGS_RUN);
    assert_string_equal(settings.bind, "127.0.0.1");
    assert_int_equal(settings.port, 6676);
    assert_string_equal(settings.unix_path, "");
    assert_int_equal(settings.unix_mode, 0600);
    assert_true(settings.threads >= 1);
    assert_string_equal(settings.instruction_set, "auto");
    assert_int_equal(settings.max_connections, 10000);
    assert_true(settings.max_memory > 0);
    assert_int_equal(settings.progress_seconds, 30);
    assert_int_equal(settings.max_clients, 100000);
    assert_int_equal(settings.client_seconds, 3600);
    assert_int_equal(settings.max_client_memory, 256 << 20);
    assert_int_equal(settings.log_level, NORMD_LOG_INFO);
}

static void every_option_reaches_its_setting(void **state)
{
    (void)state;
    assert_int_equal(READ("--bind", "::1", "--port=0", "--unix", "/tmp/s", "--unix-mode", "0660",
                         "--threads", "7", "--log-level", "debug", NULL),
        NORMD_OK);
    assert_string_equal(settings.bind, "::1");
    assert_int_equal(settings.port, 0);
    assert_string_equal(settings.unix_path, "/tmp/s");
    assert_int_equal(settings.unix_mode, 0660);
    assert_int_equal(settings.threads, 7);
    assert_int_equal(settings.log_level, NORMD_LOG_DEBUG);
    assert_int_equal(READ("--max-message-bytes", "64k", "--max-connections", "3", "--max-memory",
                         "2G", "--context-bytes", "0", "--context-seconds", "9", NULL),
        NORMD_OK);
    assert_int_equal(settings.max_message_bytes, 65536);
    assert_int_equal(settings.max_connections, 3);
    assert_int_equal(settings.max_memory, UINT64_C(2) << 30);
    assert_int_equal(settings.context_bytes, 0);
    assert_int_equal(settings.context_seconds, 9);
    assert_int_equal(
        READ("--max-clients", "12", "--client-seconds", "60", "--max-client-memory", "0", NULL),
        NORMD_OK);
    assert_int_equal(settings.max_clients, 12);
    assert_int_equal(settings.client_seconds, 60);
    assert_int_equal(settings.max_client_memory, 0);
}

static void wrong_values_are_named_with_what_was_expected(void **state)
{
    (void)state;
    assert_int_equal(READ("--port", "65536", NULL), NORMD_BAD_ARGUMENT);
    assert_string_equal(
        error.message, "--port: expected a port from 0 to 65535, or \"none\", got \"65536\"");
    static const char *const wrong[][2] = {
        {"--port", "-1"},
        {"--port", "1x"},
        {"--port", ""},
        {"--threads", "0"},
        {"--threads", "1025"},
        {"--unix-mode", "0900"},
        {"--unix-mode", "1777"},
        {"--max-memory", "10"},
        {"--max-memory", "64kk"},
        {"--max-memory", "18446744073709551615G"},
        {"--max-connections", "0"},
        {"--max-clients", "0"},
        {"--client-seconds", "0"},
        {"--context-seconds", "1.5"},
        {"--log-level", "loud"},
        {"--bind", ""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(READ(wrong[i][0], wrong[i][1], NULL), NORMD_BAD_ARGUMENT);
        assert_non_null(strstr(error.message, wrong[i][0]));
        assert_non_null(strstr(error.message, "expected"));
    }
}

static void unknown_options_and_stray_words_are_refused(void **state)
{
    (void)state;
    assert_int_equal(READ("--colour", "red", NULL), NORMD_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "--colour"));
    assert_int_equal(READ("--threads", NULL), NORMD_BAD_ARGUMENT);
    assert_int_equal(READ("start", NULL), NORMD_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "start"));
}

static void a_path_that_no_socket_can_have_is_refused(void **state)
{
    (void)state;
    char path[NORMD_SETTINGS_PATH_BYTES + 1];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(READ("--unix", path, NULL), NORMD_BAD_ARGUMENT);
    path[sizeof path - 2] = '\0';
    assert_int_equal(READ("--unix", path, NULL), NORMD_OK);
}

static void tcp_may_be_left_out_for_a_unix_socket_only(void **state)
{
    (void)state;
    assert_int_equal(READ("--port", "none", NULL), NORMD_BAD_ARGUMENT);
    assert_int_equal(READ("--port", "none", "--unix", "/tmp/s", NULL), NORMD_OK);
    assert_int_equal(settings.port, NORMD_SETTINGS_NO_PORT);
}

static void help_and_version_are_told_from_a_start(void **state)
{
    (void)state;
    assert_int_equal(READ("--help", NULL), NORMD_OK);
    assert_int_equal(action, NORMD_SETTINGS_HELP);
    assert_int_equal(READ("--version", NULL), NORMD_OK);
    assert_int_equal(action, NORMD_SETTINGS_VERSION);
}

static void the_command_line_wins_over_environment_and_file(void **state)
{
    (void)state;
    char path[] = "/tmp/normd-settings-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(dprintf(fd, "instruction-set reference\nthreads 3\nport 1234\n") > 0);
    close(fd);
    assert_int_equal(READ("--port", "99", "--config", path, NULL), NORMD_OK);
    assert_int_equal(settings.port, 99);
    assert_int_equal(settings.threads, 3);
    assert_string_equal(settings.instruction_set, "reference");
    assert_int_equal(setenv("NORMD_INSTRUCTION_SET", "avx2", 1), 0);
    assert_int_equal(READ("--config", path, NULL), NORMD_OK);
    assert_int_equal(settings.port, 1234);
    assert_string_equal(settings.instruction_set, "avx2");
    assert_int_equal(READ("--config", path, "--instruction-set", "baseline", NULL), NORMD_OK);
    assert_string_equal(settings.instruction_set, "baseline");
    unlink(path);
}

static void help_lists_every_option(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    normd_settings_help(stream);
    fclose(stream);
    static const char *const names[] = {"--bind ADDR", "--port N", "--unix PATH",
        "--unix-mode MODE", "--threads N", "--instruction-set NAME", "--max-message-bytes N",
        "--max-connections N", "--max-memory N", "--context-bytes N", "--context-seconds N",
        "--log-level LEVEL", "--config FILE", "--help", "--version", "NORMD_INSTRUCTION_SET"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_non_null(strstr(text, names[i]));
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_options_the_defaults_hold, forget_environment),
        cmocka_unit_test(every_option_reaches_its_setting),
        cmocka_unit_test(wrong_values_are_named_with_what_was_expected),
        cmocka_unit_test(unknown_options_and_stray_words_are_refused),
        cmocka_unit_test(a_path_that_no_socket_can_have_is_refused),
        cmocka_unit_test(tcp_may_be_left_out_for_a_unix_socket_only),
        cmocka_unit_test(help_and_version_are_told_from_a_start),
        cmocka_unit_test_setup_teardown(the_command_line_wins_over_environment_and_file,
            forget_environment, forget_environment),
        cmocka_unit_test(help_lists_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
