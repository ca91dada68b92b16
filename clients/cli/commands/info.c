// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"
#include "clients/cli/commands/query.h"

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    (void)arguments;
    return normd_query_run(cli, &(normd_query){.method = "server.info"});
}

const normd_cli_command normd_command_info = {
    .name = "info",
    .words = "",
    .summary = "show the daemon: version, threads, sessions, limits",
    .examples = "  normctl info\n"
                "  normctl --json info",
    .run = run,
};
