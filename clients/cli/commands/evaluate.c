// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <math.h>
#include <stdio.h>

#include "clients/cli/commands/samples.h"
#include "clients/cli/commands/stream.h"
#include "clients/cli/common/number.h"

static const normd_argument options[NORMD_SAMPLES_OPTIONS] = {
    NORMD_SAMPLES_TABLE(
        "last (default), first, or a column's number from 0", "rows a request (1024)"),
    NORMD_SAMPLES_TARGETS,
};

/* Sums over the batches, each with the weight of its rows. */
typedef struct totals {
    double loss, accuracy, metric[NORMD_CLIENT_METRICS];
    normd_client_score last;
    size_t rows;
    bool weighed; /* by --sample-weight: shares are of weights, not of samples */
} totals;

static normd_client_status add_batch(
    void *context, normd_client_answer *answer, size_t rows, normd_error *error)
{
    totals *sum = context;
    normd_client_status status = normd_client_read_score(answer, &sum->last, error);
    sum->loss += (double)rows * sum->last.loss;
    sum->accuracy += (double)rows * sum->last.accuracy;
    for (size_t i = 0; i < sum->last.metrics; i++) {
        sum->metric[i] += (double)rows * sum->last.metric[i].value;
    }
    sum->rows += rows;
    return status;
}

static void print_metrics(const normd_cli *cli, const totals *sum)
{
    for (size_t i = 0; i < sum->last.metrics; i++) {
        char text[NORMD_NUMBER_TEXT_BYTES];
        const char *name = sum->last.metric[i].name;
        double value = sum->metric[i] / (double)sum->rows;
        if (cli->json) {
            const char *number = isfinite(value) ? normd_number_format(value, false, text) : "null";
            printf("%s\"%s\": %s", i == 0 ? "\"metrics\": {" : ", ", name, number);
        } else {
            printf("  %s %.6g", name, value);
        }
    }
    if (cli->json && sum->last.metrics > 0) {
        printf("}, ");
    }
}

static void print_totals(const normd_cli *cli, const totals *sum)
{
    char text[NORMD_NUMBER_TEXT_BYTES];
    double rows = (double)sum->rows;
    double loss = sum->loss / rows;
    double accuracy = sum->accuracy / rows;
    if (!cli->json) {
        printf("loss %.6g", loss);
        if (!isnan(accuracy)) {
            printf("  accuracy %.2f %%", 100.0 * accuracy);
        }
        if (!isnan(accuracy) && !sum->weighed) {
            printf(" (%.0f of %zu)", round(sum->accuracy), sum->rows);
        }
        print_metrics(cli, sum);
        printf("  %zu sample%s  version %llu\n", sum->rows, sum->rows == 1 ? "" : "s",
            (unsigned long long)sum->last.version);
        return;
    }
    printf("{\"loss\": %s, ", isfinite(loss) ? normd_number_format(loss, false, text) : "null");
    if (!isnan(accuracy)) {
        printf("\"accuracy\": %s, ", normd_number_format(accuracy, false, text));
    }
    print_metrics(cli, sum);
    printf("\"steps\": %llu, \"version\": %llu, \"samples\": %zu}\n",
        (unsigned long long)sum->last.steps, (unsigned long long)sum->last.version, sum->rows);
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    totals sum = {.weighed = arguments->value[NORMD_SAMPLES_WEIGHT] != NULL};
    const normd_stream stream = {
        .method = "evaluate", .with_target = true, .take = add_batch, .context = &sum};
    normd_cli_exit code = normd_stream_run(cli, options, arguments, &stream);
    if (code == NORMD_CLI_OK) {
        print_totals(cli, &sum);
    }
    return code;
}

const normd_cli_command normd_command_evaluate = {
    .name = "evaluate",
    .words = "SESSION [TABLE.csv[.gz] | --x X.npy --y Y.npy]",
    .summary = "loss and accuracy in eval mode; changes nothing",
    .details =
        "With --sample-weight, accuracy and metrics are each batch's weighted shares, averaged "
        "over the\n"
        "rows of the batches.",
    .examples = "  normctl evaluate digits digits.csv.gz --scale 16 --rows 1437:\n"
                "  normctl --json evaluate digits --x x.npy --y y.npy",
    .options = options,
    .option_count = NORMD_SAMPLES_OPTIONS,
    .least = 1,
    .most = 2,
    .run = run,
};
