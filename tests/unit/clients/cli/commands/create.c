// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "clients/cli/commands/commands.h"

/* Runs create where no daemon is: what is no usage error ends OFFLINE. */
static normd_cli_exit create(int count, char **words)
{
    const normd_cli cli = {.address = "unix:/nonexistent/normd.sock", .timeout = 60.0};
    const normd_cli_command *command = &normd_command_create;
    normd_arguments arguments;
    normd_error error;
    assert_int_equal(normd_arguments_read(command->options, command->option_count, count, words,
                         false, &arguments, &error),
        NORMD_OK);
    return command->run(&cli, &arguments);
}

static void two_learning_rates_are_a_usage_error(void **state)
{
    (void)state;
    char *twice[] = {(char[]){"s"}, (char[]){"--layers=relu"}, (char[]){"--optimizer=sgd lr=2"},
        (char[]){"--lr=3"}};
    assert_int_equal(create(4, twice), NORMD_CLI_USAGE);
    assert_int_equal(create(3, twice), NORMD_CLI_OFFLINE);
    char *other[] = {(char[]){"s"}, (char[]){"--layers=relu"},
        (char[]){"--optimizer=sgd momentum=0.9"}, (char[]){"--lr=3"}};
    assert_int_equal(create(4, other), NORMD_CLI_OFFLINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_learning_rates_are_a_usage_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
