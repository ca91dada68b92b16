// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <stdio.h>
#include <string.h>

#include "clients/cli/data/file.h"
#include "clients/cli/show/json.h"

enum { FORMAT, ROWS };

static const normd_argument options[ROWS] = {
    [FORMAT] = {"format", "NAME", "safetensors (default)"},
};

static normd_cli_exit save(const normd_cli *cli, normd_client_answer *answer, const char *path)
{
    const void *data;
    size_t size;
    if (!normd_client_bytes(answer, normd_client_get(answer->result, "data"), &data, &size)) {
        return normd_cli_report(NORMD_CLIENT_FAILED,
            &(normd_error){.status = NORMD_INTERNAL, .message = "the answer holds no data"});
    }
    normd_error error;
    normd_output output;
    if (normd_output_begin(path, &output, &error) != NORMD_OK) {
        return normd_cli_usage_error("%s", error.message);
    }
    fwrite(data, 1, size, output.file);
    if (normd_output_commit(&output, &error) != NORMD_OK) {
        return normd_cli_usage_error("%s", error.message);
    }
    if (strcmp(path, "-") == 0) {
        return NORMD_CLI_OK;
    }
    if (cli->json) {
        normd_json_print(stdout, answer, answer->result);
    } else {
        uint64_t version = 0;
        normd_client_uint(normd_client_get(answer->result, "version"), &version);
        printf("%zu bytes to %s; version %llu\n", size, path, (unsigned long long)version);
    }
    return NORMD_CLI_OK;
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    normd_client *client;
    normd_cli_exit code = normd_cli_connect(cli, &client);
    if (code != NORMD_CLI_OK) {
        return code;
    }
    const char *format = arguments->value[FORMAT];
    normd_client_begin(client, "session.export", 2);
    normd_client_put_string(client, "session", arguments->rest[0]);
    normd_client_put_string(client, "format", format != NULL ? format : "safetensors");
    normd_client_answer *answer;
    code = normd_cli_call(client, &answer);
    if (code == NORMD_CLI_OK) {
        code = save(cli, answer, arguments->rest[1]);
        normd_client_answer_free(answer);
    }
    normd_client_close(client);
    return code;
}

const normd_cli_command normd_command_export = {
    .name = "export",
    .words = "SESSION FILE",
    .summary = "write a session to a file (- is standard output)",
    .details = "The file appears whole or not at all.",
    .examples = "  normctl export digits digits.safetensors",
    .options = options,
    .option_count = ROWS,
    .least = 2,
    .most = 2,
    .run = run,
};
