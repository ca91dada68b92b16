// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/cli.h"

#include <stdarg.h>
#include <stdio.h>

normd_cli_exit normd_cli_usage_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("normctl: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return NORMD_CLI_USAGE;
}

/* The daemon's words, without what could command a terminal. */
static void print_plainly(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        fputc(c < 0x20 || c == 0x7f ? '?' : c, out);
    }
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
    print_plainly(stderr, error->message);
    fputc('\n', stderr);
    return status == NORMD_CLIENT_REFUSED || status == NORMD_CLIENT_FAILED ? NORMD_CLI_REFUSED
                                                                           : NORMD_CLI_OFFLINE;
}

normd_cli_exit normd_cli_connect(const normd_cli *cli, normd_client **client)
{
    normd_error error;
    return normd_cli_report(
        normd_client_connect(cli->address, cli->timeout, client, &error), &error);
}

normd_cli_exit normd_cli_call(normd_client *client, normd_client_answer **answer)
{
    normd_error error;
    return normd_cli_report(normd_client_call(client, answer, &error), &error);
}
