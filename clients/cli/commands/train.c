// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <math.h>
#include <stdlib.h>

#include "clients/c/clock.h"
#include "clients/cli/commands/samples.h"
#include "clients/cli/common/number.h"
#include "clients/cli/data/batches.h"
#include "clients/cli/show/progress.h"

enum { EPOCHS = NORMD_SAMPLES_OPTIONS, SHUFFLE, SEED, RATE, ROWS, MAX_PIPELINE = 256 };

static const normd_argument options[ROWS] = {
    NORMD_SAMPLES_TABLE("last (default), first, or a column's number from 0", "rows a step (64)"),
    NORMD_SAMPLES_TARGETS,
    [EPOCHS] = {"epochs", "N", "times to go through the samples (1)"},
    [SHUFFLE] = {"shuffle", NULL, "a new order in each epoch"},
    [SEED] = {"seed", "N", "of the shuffling (0); the same seed gives the same orders"},
    [RATE] = {"rate", "R", "send at most R batches a second, as a live stream would"},
};

/* A run of training: the batches still to send and the answers still to come. */
typedef struct training {
    normd_client *client;
    const char *session;
    const normd_dataset *dataset;
    normd_batches batches;
    size_t epochs, pipeline;
    size_t rate;   /* batches a second; 0: as fast as the answers come */
    int64_t due;   /* when the next batch may go, in nanoseconds */
    size_t *order; /* NULL without shuffling */
    uint64_t random;
    void *x, *target, *weight; /* a gathered batch */

    uint32_t id[MAX_PIPELINE]; /* of the requests in flight: a ring, as are their rows */
    size_t rows[MAX_PIPELINE];
    size_t sent, received;
    normd_progress progress;
    normd_client_score last;
    double loss, accuracy; /* of the last epoch, over its samples */
} training;

/* The rows of a batch: where they lie, or gathered into `memory` in the shuffled order. */
static normd_array get_batch(
    const training *t, const normd_array *array, size_t begin, size_t rows, void *memory)
{
    normd_array part = normd_dataset_rows(array, t->order != NULL ? 0 : begin, rows);
    if (t->order != NULL) {
        normd_dataset_gather(array, t->order + begin, rows, memory);
        part.data = memory;
    }
    return part;
}

/* Waits until the next batch is due. Batches that the daemon delayed are not made up for. */
static void keep_rate(training *t)
{
    if (t->rate > 0) {
        int64_t now = normd_clock_now();
        int64_t wait = t->due - now;
        if (wait > 0) {
            struct timespec pause = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
            nanosleep(&pause, NULL);
        }
        t->due = (wait > 0 ? t->due : now) + (int64_t)(1000000000 / t->rate);
    }
}

static normd_client_status send_batch(training *t, normd_error *error)
{
    keep_rate(t);
    size_t index = t->sent % t->batches.count;
    if (index == 0 && t->order != NULL) {
        normd_dataset_shuffle(&t->random, t->order, t->dataset->rows);
    }
    size_t begin;
    size_t rows = normd_batches_get(&t->batches, index, &begin);
    const normd_dataset *dataset = t->dataset;
    normd_array x = get_batch(t, &dataset->x, begin, rows, t->x);
    normd_array target = get_batch(t, &dataset->target, begin, rows, t->target);
    bool weighs = dataset->weight.data != NULL;
    normd_client_begin(t->client, "train", weighs ? 4 : 3);
    normd_client_put_string(t->client, "session", t->session);
    normd_client_put_array(t->client, "target", &target);
    if (weighs) {
        normd_array weight = get_batch(t, &dataset->weight, begin, rows, t->weight);
        normd_client_put_array(t->client, "sample_weight", &weight);
    }
    normd_client_put_array(t->client, "x", &x);
    size_t slot = t->sent % t->pipeline;
    t->rows[slot] = rows;
    t->sent++;
    return normd_client_submit(t->client, &t->id[slot], error);
}

static normd_client_status receive_answer(training *t, normd_error *error)
{
    size_t slot = t->received % t->pipeline;
    normd_client_answer *answer;
    normd_client_status status = normd_client_wait(t->client, t->id[slot], &answer, error);
    if (status != NORMD_CLIENT_OK) {
        return status;
    }
    status = normd_client_read_score(answer, &t->last, error);
    normd_client_answer_free(answer);
    if (status == NORMD_CLIENT_OK) {
        if (t->received % t->batches.count == 0) {
            t->loss = t->accuracy = 0.0;
        }
        double share = (double)t->rows[slot] / (double)t->dataset->rows;
        t->loss += share * t->last.loss;
        t->accuracy += share * t->last.accuracy;
        t->received++;
        normd_progress_batch(&t->progress, t->rows[slot], &t->last);
    }
    return status;
}

static normd_cli_exit run_steps(training *t)
{
    normd_error error;
    normd_client_status status = NORMD_CLIENT_OK;
    size_t steps = t->epochs * t->batches.count;
    while (status == NORMD_CLIENT_OK && t->received < steps) {
        bool full = t->sent - t->received == t->pipeline;
        status = full || t->sent == steps ? receive_answer(t, &error) : send_batch(t, &error);
    }
    if (status != NORMD_CLIENT_OK) {
        normd_progress_clear(&t->progress);
    }
    return normd_cli_report(status, &error);
}

static void print_result(const normd_cli *cli, const training *t)
{
    double seconds = (double)(normd_clock_now() - t->progress.started) * 1e-9;
    char text[NORMD_PROGRESS_TIME_BYTES];
    if (!cli->json) {
        printf("trained on %zu sample%s in %s; version %llu\n", t->progress.samples,
            t->progress.samples == 1 ? "" : "s", normd_progress_time(seconds, text),
            (unsigned long long)t->last.version);
        return;
    }
    char loss[NORMD_NUMBER_TEXT_BYTES];
    char accuracy[NORMD_NUMBER_TEXT_BYTES];
    printf(
        "{\"loss\": %s, ", isfinite(t->loss) ? normd_number_format(t->loss, false, loss) : "null");
    if (!isnan(t->accuracy)) {
        printf("\"accuracy\": %s, ", normd_number_format(t->accuracy, false, accuracy));
    }
    printf("\"steps\": %llu, \"version\": %llu, \"epochs\": %zu, \"samples\": %zu, "
           "\"seconds\": %.6f}\n",
        (unsigned long long)t->last.steps, (unsigned long long)t->last.version, t->epochs,
        t->progress.samples, seconds);
}

/* Memory for shuffled batches; false when there is none. */
static bool prepare_shuffling(training *t)
{
    size_t rows = t->batches.size + t->batches.merged;
    normd_array x = normd_dataset_rows(&t->dataset->x, 0, rows);
    normd_array target = normd_dataset_rows(&t->dataset->target, 0, rows);
    t->order = calloc(t->dataset->rows, sizeof *t->order);
    t->x = malloc(normd_array_bytes(&x));
    t->target = malloc(normd_array_bytes(&target));
    t->weight = malloc(rows * sizeof(double));
    return t->order != NULL && t->x != NULL && t->target != NULL && t->weight != NULL;
}

static normd_cli_exit train(
    const normd_cli *cli, const normd_arguments *arguments, training *t, size_t batch)
{
    size_t rows = t->dataset->rows;
    t->batches = normd_batches_plan(rows, batch < rows ? batch : rows, true);
    bool shuffle = arguments->value[SHUFFLE] != NULL || arguments->value[SEED] != NULL;
    if (shuffle && !prepare_shuffling(t)) {
        return normd_cli_usage_error("out of memory");
    }
    if (!cli->json) {
        printf("%zu sample%s, %zu %s of %zu%s\n", rows, rows == 1 ? "" : "s", t->batches.count,
            t->batches.count == 1 ? "batch" : "batches", t->batches.size,
            t->batches.merged
                ? "; the last takes the one row left over, which alone has no variance"
                : "");
        fflush(stdout);
    }
    normd_progress_begin(&t->progress, stdout, cli->json, cli->ascii, t->epochs, t->batches.count);
    normd_cli_exit code = run_steps(t);
    if (code == NORMD_CLI_OK) {
        print_result(cli, t);
    }
    return code;
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    normd_error error = {.status = NORMD_OK};
    training t = {.session = arguments->rest[0]};
    size_t batch =
        normd_arguments_count(options, arguments, NORMD_SAMPLES_BATCH, 64, 1, SIZE_MAX, &error);
    t.epochs = normd_arguments_count(options, arguments, EPOCHS, 1, 1, 1000000000, &error);
    t.pipeline = normd_arguments_count(
        options, arguments, NORMD_SAMPLES_PIPELINE, 4, 1, MAX_PIPELINE, &error);
    t.rate = normd_arguments_count(options, arguments, RATE, 0, 1, 1000000, &error);
    t.random = normd_arguments_count(options, arguments, SEED, 0, 0, SIZE_MAX, &error);
    if (error.status != NORMD_OK) {
        return normd_cli_usage_error("train: %s", error.message);
    }
    normd_cli_exit code = normd_cli_connect(cli, &t.client);
    if (code != NORMD_CLI_OK) {
        return code;
    }
    normd_samples_session about;
    normd_dataset dataset;
    code = normd_samples_describe(t.client, t.session, &about);
    if (code == NORMD_CLI_OK) {
        code = normd_samples_read(options, arguments, &about, true, &dataset);
    }
    if (code == NORMD_CLI_OK) {
        t.dataset = &dataset;
        code = train(cli, arguments, &t, batch);
        free(t.order);
        free(t.x);
        free(t.target);
        free(t.weight);
        normd_dataset_free(&dataset);
    }
    normd_client_close(t.client);
    return code;
}

const normd_cli_command normd_command_train = {
    .name = "train",
    .words = "SESSION [TABLE.csv[.gz] | --x X.npy --y Y.npy]",
    .summary = "train on samples from a table or from .npy files",
    .details =
        "Each row of the table is a sample; one column is the target. A last batch of a single "
        "row\n"
        "is merged into the one before it. Loss and accuracy are those of the training batches.",
    .examples =
        "  normctl train digits digits.csv.gz --epochs 10 --scale 16 --shuffle --rows :1437\n"
        "  normctl train digits --x x.npy --y y.npy --batch 128 --pipeline 8\n"
        "  normctl train digits --x x.npy --y y.npy --sample-weight w.npy",
    .options = options,
    .option_count = ROWS,
    .least = 1,
    .most = 2,
    .run = run,
};
