// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_HELP_H
#define NORMD_CLIENTS_CLI_HELP_H

#include <stdio.h>

#include "clients/cli/cli.h"

/* The overview: usage, options of every command, a line per command. */
void normd_help_all(FILE *out, const normd_argument *globals, size_t rows);
/* One command: usage, options, examples. */
void normd_help_command(FILE *out, const normd_cli_command *command);

#endif
