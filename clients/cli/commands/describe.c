// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"
#include "clients/cli/commands/query.h"

enum { CONVENTION, ROWS };

static const normd_argument options[ROWS] = {
    [CONVENTION] = {"convention", "NAME", "names and counts as pytorch or keras has them"},
};

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    return normd_query_run(cli, &(normd_query){.method = "session.describe",
                                    .key = {"session", "convention"},
                                    .value = {arguments->rest[0], arguments->value[CONVENTION]}});
}

const normd_cli_command normd_command_describe = {
    .name = "describe",
    .words = "SESSION",
    .summary = "show a session: layers, loss, optimizer, parameter counts",
    .examples = "  normctl describe digits\n"
                "  normctl describe digits --convention keras",
    .options = options,
    .option_count = ROWS,
    .least = 1,
    .most = 1,
    .run = run,
};
