// SPDX-License-Identifier: Apache-2.0
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "clients/cli/cli.h"
#include "clients/cli/help.h"
#include "clients/cli/show/terminal.h"

enum { HOST, PORT, UNIX, TIMEOUT, WAIT, JSON, ASCII, VERSION, GLOBAL_ROWS };

static const normd_argument globals[GLOBAL_ROWS] = {
    [HOST] = {"host", "H", "the daemon's host (127.0.0.1)"},
    [PORT] = {"port", "P", "its port (6676)"},
    [UNIX] = {"unix", "PATH", "its Unix socket, instead of host and port"},
    [TIMEOUT] = {"timeout", "S",
        "seconds for each call, tried again while the daemon restarts (60); 0: for ever"},
    [WAIT] = {"wait", NULL, "wait for a daemon that is not there yet, as long as a call may take"},
    [JSON] = {"json", NULL, "answers as JSON on standard output, and nothing else"},
    [ASCII] = {"ascii", NULL, "no Unicode in plots and bars"},
    [VERSION] = {"version", NULL, "print the version"},
};

static const normd_cli_command *find_command(const char *name)
{
    const normd_cli_command *const *command = normd_cli_commands;
    while (*command != NULL && strcmp((*command)->name, name) != 0) {
        command++;
    }
    return *command;
}

static normd_cli_exit read_globals(
    const normd_arguments *arguments, normd_cli *cli, normd_error *error)
{
    const char *host = arguments->value[HOST] != NULL ? arguments->value[HOST] : "127.0.0.1";
    size_t port = normd_arguments_count(globals, arguments, PORT, 6676, 1, 65535, error);
    *cli = (normd_cli){
        .timeout = normd_arguments_number(globals, arguments, TIMEOUT, 60.0, 0.0, 1e6, error),
        .wait = arguments->value[WAIT] != NULL,
        .json = arguments->value[JSON] != NULL,
        .ascii = arguments->value[ASCII] != NULL || !normd_terminal_is_utf8(),
    };
    if (error->status != NORMD_OK) {
        return normd_cli_usage_error("%s", error->message);
    }
    int length;
    if (arguments->value[UNIX] != NULL) {
        length = snprintf(cli->address, sizeof cli->address, "unix:%s", arguments->value[UNIX]);
    } else {
        bool bare_ipv6 = strchr(host, ':') != NULL && host[0] != '[';
        length = snprintf(
            cli->address, sizeof cli->address, bare_ipv6 ? "[%s]:%zu" : "%s:%zu", host, port);
    }
    if ((size_t)length >= sizeof cli->address) {
        return normd_cli_usage_error("the address is too long");
    }
    return NORMD_CLI_OK;
}

static normd_cli_exit run_help(int argc, char **argv)
{
    if (argc == 0) {
        normd_help_all(stdout, globals, GLOBAL_ROWS);
        return NORMD_CLI_OK;
    }
    const normd_cli_command *command = find_command(argv[0]);
    if (command == NULL) {
        return normd_cli_usage_error("no such command: %s (see normctl help)", argv[0]);
    }
    normd_help_command(stdout, command);
    return NORMD_CLI_OK;
}

static normd_cli_exit run_command(const normd_cli *cli, int argc, char **argv)
{
    if (strcmp(argv[0], "help") == 0) {
        return run_help(argc - 1, argv + 1);
    }
    const normd_cli_command *command = find_command(argv[0]);
    if (command == NULL) {
        return normd_cli_usage_error("no such command: %s (see normctl help)", argv[0]);
    }
    normd_arguments arguments;
    normd_error error = {.status = NORMD_OK};
    if (normd_arguments_read(command->options, command->option_count, argc - 1, argv + 1, false,
            &arguments, &error) != NORMD_OK) {
        return normd_cli_usage_error(
            "%s: %s (see normctl help %s)", command->name, error.message, command->name);
    }
    if (arguments.help) {
        normd_help_command(stdout, command);
        return NORMD_CLI_OK;
    }
    if (arguments.rest_count < command->least || arguments.rest_count > command->most) {
        return normd_cli_usage_error("expected normctl %s%s%s (see normctl help %s)", command->name,
            command->words[0] != '\0' ? " " : "", command->words, command->name);
    }
    return command->run(cli, &arguments);
}

/* Whether a word is one of the options that may stand anywhere; *words is how many it takes. */
static bool is_global(const char *word, int *words)
{
    size_t length = strcspn(word, "=");
    for (size_t row = 0; row < VERSION; row++) {
        const char *name = globals[row].name;
        if (length == strlen(name) + 2 && strncmp(word, "--", 2) == 0 &&
            memcmp(word + 2, name, length - 2) == 0) {
            *words = globals[row].value != NULL && word[length] == '\0' ? 2 : 1;
            return true;
        }
    }
    return false;
}

/* Moves options that may stand anywhere in front of the command, in their order. */
static void hoist_globals(int argc, char **argv)
{
    int front = 1;
    for (int at = 1; at < argc && strcmp(argv[at], "--") != 0;) {
        int words = 1;
        bool global = is_global(argv[at], &words);
        words = at + words <= argc ? words : 1; /* a missing value is named when it is read */
        for (int k = 0; global && k < words; k++) {
            char *word = argv[at + k];
            memmove(&argv[front + 1], &argv[front], (size_t)(at + k - front) * sizeof *argv);
            argv[front++] = word;
        }
        at += words;
    }
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a failed write */
    hoist_globals(argc, argv);
    normd_arguments arguments;
    normd_error error = {.status = NORMD_OK};
    if (normd_arguments_read(globals, GLOBAL_ROWS, argc - 1, argv + 1, true, &arguments, &error) !=
        NORMD_OK) {
        return (int)normd_cli_usage_error("%s (see normctl help)", error.message);
    }
    if (arguments.help) {
        return (int)run_help(0, NULL);
    }
    if (arguments.value[VERSION] != NULL) {
        puts("normctl " NORMD_VERSION);
        return NORMD_CLI_OK;
    }
    int first = 1 + (int)arguments.taken;
    if (first == argc) {
        normd_help_all(stderr, globals, GLOBAL_ROWS);
        return NORMD_CLI_USAGE;
    }
    normd_cli cli;
    normd_cli_exit code = read_globals(&arguments, &cli, &error);
    if (code == NORMD_CLI_OK) {
        code = run_command(&cli, argc - first, argv + first);
    }
    if (fflush(stdout) != 0 && code == NORMD_CLI_OK) {
        code = normd_cli_usage_error("cannot write to standard output");
    }
    return (int)code;
}
