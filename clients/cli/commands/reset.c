// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include "clients/cli/commands/query.h"

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    return normd_query_run(cli,
        &(normd_query){.method = "stats.reset",
            .key = {"session", "layer"},
            .value = {arguments->rest[0], arguments->rest_count > 1 ? arguments->rest[1] : NULL}});
}

const normd_cli_command normd_command_reset = {
    .name = "reset",
    .words = "SESSION [LAYER]",
    .summary = "running statistics to 0 and 1, as before the first batch",
    .examples = "  normctl reset digits\n"
                "  normctl reset digits 1",
    .least = 1,
    .most = 2,
    .run = run,
};
