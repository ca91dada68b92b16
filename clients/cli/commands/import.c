// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <stdio.h>
#include <stdlib.h>

#include "clients/cli/commands/query.h"
#include "clients/cli/data/file.h"

enum { FORMAT, ROWS };

static const normd_argument options[ROWS] = {
    [FORMAT] = {"format", "NAME", "safetensors or npz (default: what the file is)"},
};

static normd_cli_exit show(const void *session, normd_client_answer *answer)
{
    uint64_t version = 0;
    const msgpack_object *created = normd_client_get(answer->result, "created");
    normd_client_uint(normd_client_get(answer->result, "version"), &version);
    bool is_new =
        created != NULL && created->type == MSGPACK_OBJECT_BOOLEAN && created->via.boolean;
    printf("%s %s; version %llu\n", is_new ? "created" : "loaded into", (const char *)session,
        (unsigned long long)version);
    return NORMD_CLI_OK;
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    normd_error error;
    void *data;
    size_t size;
    if (normd_file_read(arguments->rest[1], &data, &size, &error) != NORMD_OK) {
        return normd_cli_usage_error("%s", error.message);
    }
    const char *format = arguments->value[FORMAT];
    normd_cli_exit code = normd_query_run(cli, &(normd_query){.method = "session.import",
                                                   .key = {"session", "format"},
                                                   .value = {arguments->rest[0], format},
                                                   .data = data,
                                                   .data_bytes = size,
                                                   .show = show,
                                                   .context = arguments->rest[0]});
    free(data);
    return code;
}

const normd_cli_command normd_command_import = {
    .name = "import",
    .words = "SESSION FILE",
    .summary = "load a session from a file (- is standard input)",
    .examples = "  normctl import copy digits.safetensors",
    .options = options,
    .option_count = ROWS,
    .least = 2,
    .most = 2,
    .run = run,
};
