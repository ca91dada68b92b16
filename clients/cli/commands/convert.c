// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include "clients/cli/common/json_pack.h"
#include "clients/cli/common/model_text.h"
#include "clients/cli/show/fields.h"
#include "clients/cli/show/json.h"

enum { OPTIMIZER, ROWS };

static const normd_argument options[ROWS] = {
    [OPTIMIZER] = {"optimizer", "TEXT",
        "replaces the optimizer, where the conventions differ in it: \"adam lr=0.001\""},
};

static normd_cli_exit call(
    const normd_cli *cli, const normd_arguments *arguments, const json_t *optimizer)
{
    normd_client *client;
    normd_cli_exit code = normd_cli_connect(cli, &client);
    if (code != NORMD_CLI_OK) {
        return code;
    }
    normd_client_begin(client, "session.convert", optimizer != NULL ? 3 : 2);
    normd_client_put_string(client, "session", arguments->rest[0]);
    normd_client_put_string(client, "convention", arguments->rest[1]);
    if (optimizer != NULL) {
        normd_json_pack(normd_client_put(client, "optimizer"), optimizer);
    }
    normd_client_answer *answer;
    code = normd_cli_call(client, &answer);
    if (code == NORMD_CLI_OK) {
        if (cli->json) {
            normd_json_print(stdout, answer, answer->result);
        } else {
            normd_fields_print(stdout, answer, answer->result);
        }
        normd_client_answer_free(answer);
    }
    normd_client_close(client);
    return code;
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    normd_error error = {.status = NORMD_OK};
    const char *text = arguments->value[OPTIMIZER];
    json_t *optimizer = text == NULL ? NULL : normd_model_text_option(text, "--optimizer", &error);
    if (error.status != NORMD_OK) {
        return normd_cli_usage_error("convert: %s", error.message);
    }
    normd_cli_exit code = call(cli, arguments, optimizer);
    json_decref(optimizer);
    return code;
}

const normd_cli_command normd_command_convert = {
    .name = "convert",
    .words = "SESSION CONVENTION",
    .summary = "go on in the words of pytorch or keras, with the same numbers",
    .details = "What cannot be converted exactly is refused with the reason.",
    .examples = "  normctl convert digits keras\n"
                "  normctl convert digits keras --optimizer \"adam learning_rate=0.001\"",
    .options = options,
    .option_count = ROWS,
    .least = 2,
    .most = 2,
    .run = run,
};
