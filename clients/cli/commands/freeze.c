// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <string.h>

#include "clients/cli/show/fields.h"
#include "clients/cli/show/json.h"

enum { WHAT, OPTIONS };
static const normd_argument options[OPTIONS] = {
    [WHAT] = {"what", "WHAT", "all (default): statistics, gamma and beta; or statistics alone"},
};

static normd_cli_exit call(
    const normd_cli *cli, const normd_arguments *arguments, const char *method, bool parameters)
{
    normd_client *client;
    normd_cli_exit code = normd_cli_connect(cli, &client);
    if (code != NORMD_CLI_OK) {
        return code;
    }
    bool one = arguments->rest_count > 1;
    normd_client_begin(client, method, one ? 3 : 2);
    normd_client_put_string(client, "session", arguments->rest[0]);
    normd_client_put_bool(client, "parameters", parameters);
    if (one) {
        normd_client_put_string(client, "layer", arguments->rest[1]);
    }
    normd_client_answer *answer;
    code = normd_cli_call(client, &answer);
    if (code == NORMD_CLI_OK) {
        (cli->json ? normd_json_print : normd_fields_print)(stdout, answer, answer->result);
        normd_client_answer_free(answer);
    }
    normd_client_close(client);
    return code;
}

static normd_cli_exit run(
    const normd_cli *cli, const normd_arguments *arguments, const char *method)
{
    const char *what = arguments->value[WHAT] != NULL ? arguments->value[WHAT] : "all";
    bool all = strcmp(what, "all") == 0;
    if (!all && strcmp(what, "statistics") != 0) {
        return normd_cli_usage_error("--what: expected all or statistics, got \"%s\"", what);
    }
    return call(cli, arguments, method, all);
}

static normd_cli_exit freeze(const normd_cli *cli, const normd_arguments *arguments)
{
    return run(cli, arguments, "stats.freeze");
}

static normd_cli_exit thaw(const normd_cli *cli, const normd_arguments *arguments)
{
    return run(cli, arguments, "stats.thaw");
}

const normd_cli_command normd_command_freeze = {
    .name = "freeze",
    .words = "SESSION [LAYER]",
    .summary = "batch norms normalize with their running statistics in training, too",
    .examples = "  normctl freeze digits\n"
                "  normctl freeze digits 1 --what statistics",
    .options = options,
    .option_count = OPTIONS,
    .least = 1,
    .most = 2,
    .run = freeze,
};

const normd_cli_command normd_command_thaw = {
    .name = "thaw",
    .words = "SESSION [LAYER]",
    .summary = "the opposite of freeze",
    .examples = "  normctl thaw digits",
    .options = options,
    .option_count = OPTIONS,
    .least = 1,
    .most = 2,
    .run = thaw,
};
