// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include "clients/cli/commands/samples.h"
#include "clients/cli/commands/stream.h"
#include "clients/cli/show/fields.h"
#include "clients/cli/show/json.h"

/* Behind the rows of samples.h; y has no use here. */
enum { MODE = NORMD_SAMPLES_OPTIONS, OPTIONS };
static const normd_argument options[OPTIONS] = {
    NORMD_SAMPLES_TABLE(
        "last (default), first, or a column's number from 0: is left out", "rows a batch (1024)"),
    [MODE] = {"mode", "MODE",
        "pooled (default): the moments of all rows; or mean_of_variances, as PyTorch's update_bn"},
};

typedef struct recalibration {
    const normd_cli *cli;
    const char *mode;
} recalibration;

static void put_more(void *context, normd_client *client, size_t batch)
{
    const recalibration *r = context;
    normd_client_put_string(client, "mode", r->mode);
    normd_client_put_bool(client, "finish", false);
    normd_client_put_bool(client, "restart", batch == 0);
}

static normd_client_status take(
    void *context, normd_client_answer *answer, size_t rows, normd_error *error)
{
    (void)context;
    (void)answer;
    (void)rows;
    (void)error;
    return NORMD_CLIENT_OK;
}

static normd_cli_exit finish(void *context, normd_client *client, const char *session)
{
    const recalibration *r = context;
    normd_client_begin(client, "stats.recalibrate", 2);
    normd_client_put_string(client, "session", session);
    normd_client_put_string(client, "mode", r->mode);
    normd_client_answer *answer;
    normd_cli_exit code = normd_cli_call(client, &answer);
    if (code == NORMD_CLI_OK) {
        (r->cli->json ? normd_json_print : normd_fields_print)(stdout, answer, answer->result);
        normd_client_answer_free(answer);
    }
    return code;
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    const char *mode = arguments->value[MODE];
    recalibration r = {.cli = cli, .mode = mode != NULL ? mode : "pooled"};
    const normd_stream stream = {
        .method = "stats.recalibrate",
        .more_fields = 3,
        .put_more = put_more,
        .take = take,
        .finish = finish,
        .context = &r,
    };
    return normd_stream_run(cli, options, arguments, &stream);
}

const normd_cli_command normd_command_recalibrate = {
    .name = "recalibrate",
    .words = "SESSION [TABLE.csv[.gz] | --x X.npy]",
    .summary = "running statistics from these samples alone, with the weights as they are",
    .examples = "  normctl recalibrate digits digits.csv.gz --scale 16 --rows :1437\n"
                "  normctl recalibrate digits --x x.npy --mode mean_of_variances --batch 64",
    .options = options,
    .option_count = OPTIONS,
    .least = 1,
    .most = 2,
    .run = run,
};
