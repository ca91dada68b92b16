// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <string.h>

#include "clients/cli/common/json_pack.h"
#include "clients/cli/common/model_text.h"
#include "clients/cli/common/number.h"
#include "clients/cli/show/fields.h"
#include "clients/cli/show/json.h"

enum { LR, WEIGHT_LR, BIAS_LR, SCHEDULE, AVERAGING, METRIC, ROWS };

static const normd_argument options[ROWS] = {
    [LR] = {"lr", "RATE", "the learning rate, and those that were equal to it"},
    [WEIGHT_LR] = {"weight-lr", "RATE", "of gamma"},
    [BIAS_LR] = {"bias-lr", "RATE", "of beta"},
    [SCHEDULE] = {"schedule", "TEXT", "\"cosine_annealing T_max=100 every=20\"; none: no schedule"},
    [AVERAGING] = {"averaging", "TEXT", "\"ema decay=0.99\", \"swa every=20\"; none: no average"},
    [METRIC] = {"metric", "NUMBER", "for a schedule reduce_on_plateau; alone"},
};

static const struct {
    const char *key;
    bool is_number;
} fields[ROWS] = {
    [LR] = {"lr", true},
    [WEIGHT_LR] = {"weight_lr", true},
    [BIAS_LR] = {"bias_lr", true},
    [SCHEDULE] = {"schedule", false},
    [AVERAGING] = {"averaging", false},
    [METRIC] = {"metric", true},
};

/* The value of one option as the daemon takes it; NULL after a mistake. */
static json_t *read_value(size_t row, const char *text, normd_error *error)
{
    if (!fields[row].is_number) {
        return strcmp(text, "none") == 0 ? json_string(text)
                                         : normd_model_text_option(text, "value", error);
    }
    double number;
    if (normd_number_parse(text, &number)) {
        return json_real(number);
    }
    normd_error_set(error, NORMD_BAD_ARGUMENT, "expected a number, got \"%s\"", text);
    return NULL;
}

static json_t *read_changes(const normd_arguments *arguments, normd_error *error)
{
    json_t *changes = json_object();
    for (size_t row = 0; row < ROWS && error->status == NORMD_OK; row++) {
        if (arguments->value[row] == NULL) {
            continue;
        }
        json_t *value = read_value(row, arguments->value[row], error);
        if (value == NULL) {
            normd_error_prefix(error, "--%s: ", options[row].name);
        } else if (json_object_set_new(changes, fields[row].key, value) != 0) {
            normd_error_no_memory(error);
        }
    }
    return changes;
}

static normd_cli_exit call(const normd_cli *cli, const char *session, json_t *changes)
{
    normd_client *client;
    normd_cli_exit code = normd_cli_connect(cli, &client);
    if (code != NORMD_CLI_OK) {
        return code;
    }
    normd_client_begin(client, "optimizer.set", 1U + (uint32_t)json_object_size(changes));
    normd_client_put_string(client, "session", session);
    const char *key;
    json_t *value;
    json_object_foreach(changes, key, value)
    {
        normd_json_pack(normd_client_put(client, key), value);
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

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    normd_error error = {.status = NORMD_OK};
    json_t *changes = read_changes(arguments, &error);
    normd_cli_exit code = error.status != NORMD_OK ? normd_cli_usage_error("set: %s", error.message)
                                                   : call(cli, arguments->rest[0], changes);
    json_decref(changes);
    return code;
}

const normd_cli_command normd_command_set = {
    .name = "set",
    .words = "SESSION",
    .summary = "change rates, schedule or averaging of a session's optimizer",
    .examples = "  normctl set digits --lr 1e-4\n"
                "  normctl set digits --schedule \"cosine_annealing T_max=100 every=20\"\n"
                "  normctl set digits --metric 0.93",
    .options = options,
    .option_count = ROWS,
    .least = 1,
    .most = 1,
    .run = run,
};
