// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <stdio.h>

#include "clients/cli/commands/query.h"
#include "clients/cli/show/fields.h"

static normd_cli_exit show(const void *context, normd_client_answer *answer)
{
    (void)context;
    const msgpack_object *sessions = normd_client_get(answer->result, "sessions");
    if (sessions == NULL || sessions->type != MSGPACK_OBJECT_ARRAY) {
        normd_fields_print(stdout, answer, answer->result);
        return NORMD_CLI_OK;
    }
    for (uint32_t k = 0; k < sessions->via.array.size; k++) {
        normd_fields_value(stdout, answer, &sessions->via.array.ptr[k]);
        putchar('\n');
    }
    if (sessions->via.array.size == 0) {
        fputs("no sessions\n", stderr);
    }
    return NORMD_CLI_OK;
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    (void)arguments;
    return normd_query_run(cli, &(normd_query){.method = "session.list", .show = show});
}

const normd_cli_command normd_command_list = {
    .name = "list",
    .words = "",
    .summary = "list the sessions, one per line",
    .examples = "  normctl list",
    .run = run,
};
