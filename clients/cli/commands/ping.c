// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <stdio.h>

#include "clients/c/clock.h"

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    (void)arguments;
    normd_client *client;
    normd_cli_exit code = normd_cli_connect(cli, &client);
    if (code != NORMD_CLI_OK) {
        return code;
    }
    normd_error error;
    int64_t begin = normd_clock_now();
    code = normd_cli_report(normd_client_ping(client, &error), &error);
    double milliseconds = (double)(normd_clock_now() - begin) * 1e-6;
    if (code == NORMD_CLI_OK && cli->json) {
        puts("\"pong\"");
    } else if (code == NORMD_CLI_OK) {
        printf("pong from %s in %.2f ms\n", cli->address, milliseconds);
    }
    normd_client_close(client);
    return code;
}

const normd_cli_command normd_command_ping = {
    .name = "ping",
    .words = "",
    .summary = "ask whether the daemon answers, and how fast",
    .examples = "  normctl ping\n"
                "  normctl --unix /run/normd/normd.sock ping",
    .run = run,
};
