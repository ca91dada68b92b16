// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_CLI_H
#define NORMD_CLIENTS_CLI_CLI_H

#include <stdbool.h>

#include "clients/c/normd_client.h"
#include "clients/cli/common/arguments.h"

/* What normctl exits with. */
typedef enum normd_cli_exit {
    NORMD_CLI_OK = 0,
    NORMD_CLI_REFUSED = 1, /* the daemon answered with an error */
    NORMD_CLI_USAGE = 2,   /* a wrong command line or input file */
    NORMD_CLI_OFFLINE = 3, /* no connection, or it was lost or timed out */
} normd_cli_exit;

/* What the options before the command say. */
typedef struct normd_cli {
    char address[320];
    double timeout;
    bool wait, json, ascii;
} normd_cli;

/* One command. `run` is called with between `least` and `most` words in arguments->rest. */
typedef struct normd_cli_command {
    const char *name;
    const char *words; /* what comes behind the name, for the usage line */
    const char *summary;
    const char *details; /* for `help`; NULL for none */
    const char *examples;
    const normd_argument *options;
    size_t option_count;
    size_t least, most;
    normd_cli_exit (*run)(const normd_cli *cli, const normd_arguments *arguments);
} normd_cli_command;

/* The commands, in the order of the help; ended by NULL. */
extern const normd_cli_command *const normd_cli_commands[];

/* Writes "normctl: ..." to standard error and returns USAGE. */
normd_cli_exit normd_cli_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Writes what became of a call to standard error; returns the exit code. */
normd_cli_exit normd_cli_report(normd_client_status status, const normd_error *error);

/* Connects, or reports why not. */
normd_cli_exit normd_cli_connect(const normd_cli *cli, normd_client **client);
/* Calls what was begun, or reports why it failed. */
normd_cli_exit normd_cli_call(normd_client *client, normd_client_answer **answer);

#endif
