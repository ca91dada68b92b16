// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <stdio.h>
#include <string.h>

#include "clients/cli/commands/query.h"
#include "clients/cli/data/file.h"
#include "clients/cli/show/json.h"

enum { FORMAT, OPTIMIZER, WEIGHTS_ONLY, FOLD, ROWS };

static const normd_argument options[ROWS] = {
    [FORMAT] = {"format", "NAME", "safetensors (default), or npz: what Keras' get_weights gives"},
    [OPTIMIZER] = {"optimizer", NULL, "with the optimizer's slots, which an npz else has not"},
    [WEIGHTS_ONLY] = {"weights-only", NULL, "without the optimizer's slots"},
    [FOLD] = {"fold", NULL, "fold each batch norm into the linear or conv2d before it"},
};

/* Where the answer's data goes. */
typedef struct destination {
    const char *path;
    bool json;
} destination;

static normd_cli_exit save(const void *context, normd_client_answer *answer)
{
    const destination *to = context;
    const void *data;
    size_t size;
    if (!normd_client_bytes(answer, normd_client_get(answer->result, "data"), &data, &size)) {
        return normd_cli_report(NORMD_CLIENT_FAILED,
            &(normd_error){.status = NORMD_INTERNAL, .message = "the answer holds no data"});
    }
    normd_error error;
    normd_output output;
    if (normd_output_begin(to->path, &output, &error) != NORMD_OK) {
        return normd_cli_usage_error("%s", error.message);
    }
    fwrite(data, 1, size, output.file);
    if (normd_output_commit(&output, &error) != NORMD_OK) {
        return normd_cli_usage_error("%s", error.message);
    }
    if (strcmp(to->path, "-") == 0) {
        return NORMD_CLI_OK;
    }
    if (to->json) {
        normd_json_print(stdout, answer, answer->result);
    } else {
        uint64_t version = 0;
        normd_client_uint(normd_client_get(answer->result, "version"), &version);
        printf("%zu bytes to %s; version %llu\n", size, to->path, (unsigned long long)version);
    }
    return NORMD_CLI_OK;
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    const char *const *value = arguments->value;
    const char *format = value[FORMAT];
    if (value[OPTIMIZER] != NULL && value[WEIGHTS_ONLY] != NULL) {
        return normd_cli_usage_error("export: expected one of --optimizer and --weights-only");
    }
    bool says = value[OPTIMIZER] != NULL || value[WEIGHTS_ONLY] != NULL;
    const destination to = {.path = arguments->rest[1], .json = cli->json};
    return normd_query_run(
        cli, &(normd_query){.method = "session.export",
                 .key = {"session", "format"},
                 .value = {arguments->rest[0], format != NULL ? format : "safetensors"},
                 .flag = {says ? "optimizer" : NULL, value[FOLD] != NULL ? "fold" : NULL},
                 .flag_value = {value[OPTIMIZER] != NULL, true},
                 .show = save,
                 .context = &to,
                 .show_json = true});
}

const normd_cli_command normd_command_export = {
    .name = "export",
    .words = "SESSION FILE",
    .summary = "write a session to a file (- is standard output)",
    .details = "The file appears whole or not at all.",
    .examples = "  normctl export digits digits.safetensors\n"
                "  normctl export digits digits.npz --format npz\n"
                "  normctl export digits folded.safetensors --fold",
    .options = options,
    .option_count = ROWS,
    .least = 2,
    .most = 2,
    .run = run,
};
