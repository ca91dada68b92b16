// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/cli.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clients/cli/show/terminal.h"

normd_cli_exit normd_cli_usage_error(const char *format, ...)
{
    va_list arguments;
    char text[NORMD_ERROR_MESSAGE_BYTES + 256];
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fputs("normctl: ", stderr);
    normd_terminal_text(stderr, text, strlen(text));
    fputc('\n', stderr);
    return NORMD_CLI_USAGE;
}

normd_cli_exit normd_cli_report(normd_client_status status, const normd_error *error)
{
    if (status == NORMD_CLIENT_OK) {
        return NORMD_CLI_OK;
    }
    fputs("normctl: ", stderr);
    if (status == NORMD_CLIENT_REFUSED) {
        fprintf(stderr, "%s ", normd_status_name(error->status));
    }
    normd_terminal_text(stderr, error->message, strlen(error->message));
    fputc('\n', stderr);
    return status == NORMD_CLIENT_REFUSED || status == NORMD_CLIENT_FAILED ? NORMD_CLI_REFUSED
                                                                           : NORMD_CLI_OFFLINE;
}

normd_cli_exit normd_cli_connect(const normd_cli *cli, normd_client **client)
{
    normd_error error;
    normd_client_options options = NORMD_CLIENT_OPTIONS_DEFAULT;
    options.wait = cli->wait;
    /* A long step is no silence: only the deadline ends it. */
    options.deadline_ms = options.timeout_ms = (uint64_t)ceil(cli->timeout * 1e3);
    return normd_cli_report(normd_client_open(cli->address, &options, client, &error), &error);
}

normd_cli_exit normd_cli_call(normd_client *client, normd_client_answer **answer)
{
    normd_error error;
    return normd_cli_report(normd_client_call(client, answer, &error), &error);
}
