// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"
#include "clients/cli/commands/query.h"

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    const char *name = arguments->rest_count > 0 ? arguments->rest[0] : NULL;
    return normd_query_run(
        cli, &(normd_query){.method = "server.save", .key = {"name"}, .value = {name}});
}

const normd_cli_command normd_command_save = {
    .name = "save",
    .words = "[NAME]",
    .summary = "copy the daemon's data directory while it trains",
    .details = "The copy holds all sessions as they are at this moment. It is a data directory of "
               "its own, under\nsaves/ in the daemon's, on the daemon's machine: start a normd "
               "with --data-dir on it, or on a copy\nof it, to go on from there. NAME is the time "
               "unless it is given.",
    .examples = "  normctl save\n"
                "  normctl save before-the-change\n"
                "  normctl --timeout 600 save",
    .least = 0,
    .most = 1,
    .run = run,
};
