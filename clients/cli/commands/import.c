// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <stdio.h>
#include <stdlib.h>

#include "clients/cli/data/file.h"
#include "clients/cli/show/json.h"

enum { FORMAT, ROWS };

static const normd_argument options[ROWS] = {
    [FORMAT] = {"format", "NAME", "safetensors (default)"},
};

static void print(const normd_cli *cli, normd_client_answer *answer, const char *session)
{
    if (cli->json) {
        normd_json_print(stdout, answer, answer->result);
        return;
    }
    uint64_t version = 0;
    const msgpack_object *created = normd_client_get(answer->result, "created");
    normd_client_uint(normd_client_get(answer->result, "version"), &version);
    bool is_new =
        created != NULL && created->type == MSGPACK_OBJECT_BOOLEAN && created->via.boolean;
    printf("%s %s; version %llu\n", is_new ? "created" : "loaded into", session,
        (unsigned long long)version);
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    normd_error error;
    void *data;
    size_t size;
    if (normd_file_read(arguments->rest[1], &data, &size, &error) != NORMD_OK) {
        return normd_cli_usage_error("%s", error.message);
    }
    normd_client *client;
    normd_cli_exit code = normd_cli_connect(cli, &client);
    if (code == NORMD_CLI_OK) {
        const char *format = arguments->value[FORMAT];
        normd_client_begin(client, "session.import", 3);
        normd_client_put_string(client, "session", arguments->rest[0]);
        normd_client_put_string(client, "format", format != NULL ? format : "safetensors");
        normd_client_put_bytes(client, "data", data, size);
        normd_client_answer *answer;
        code = normd_cli_call(client, &answer);
        if (code == NORMD_CLI_OK) {
            print(cli, answer, arguments->rest[0]);
            normd_client_answer_free(answer);
        }
        normd_client_close(client);
    }
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
