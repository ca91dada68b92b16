// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <stdio.h>

#include "clients/cli/commands/query.h"

static normd_cli_exit show(const void *context, normd_client_answer *answer)
{
    (void)context;
    (void)answer;
    puts("deleted");
    return NORMD_CLI_OK;
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    return normd_query_run(cli, &(normd_query){.method = "session.delete",
                                    .key = {"session"},
                                    .value = {arguments->rest[0]},
                                    .show = show});
}

const normd_cli_command normd_command_delete = {
    .name = "delete",
    .words = "SESSION",
    .summary = "delete a session with all its state",
    .examples = "  normctl delete digits",
    .least = 1,
    .most = 1,
    .run = run,
};
