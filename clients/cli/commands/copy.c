// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <stdio.h>

#include "clients/cli/commands/query.h"

enum { WEIGHTS, IF_EXISTS, ROWS };

static const normd_argument options[ROWS] = {
    [WEIGHTS] = {"weights", "WHAT",
        "current (default), or average: of the steps, as the optimizer keeps it"},
    [IF_EXISTS] = {"if-exists", "WHAT", "error (default), or replace"},
};

static normd_cli_exit show(const void *name, normd_client_answer *answer)
{
    uint64_t version = 0;
    normd_client_uint(normd_client_get(answer->result, "version"), &version);
    printf("copied to %s; version %llu\n", (const char *)name, (unsigned long long)version);
    return NORMD_CLI_OK;
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    return normd_query_run(cli, &(normd_query){.method = "session.copy",
                                    .key = {"session", "to", "weights", "if_exists"},
                                    .value = {arguments->rest[0], arguments->rest[1],
                                        arguments->value[WEIGHTS], arguments->value[IF_EXISTS]},
                                    .show = show,
                                    .context = arguments->rest[1]});
}

const normd_cli_command normd_command_copy = {
    .name = "copy",
    .words = "SESSION NAME",
    .summary = "copy a session with all its state while it trains",
    .examples = "  normctl copy digits before\n"
                "  normctl copy digits smooth --weights average",
    .options = options,
    .option_count = ROWS,
    .least = 2,
    .most = 2,
    .run = run,
};
