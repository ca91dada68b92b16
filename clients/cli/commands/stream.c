// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/stream.h"

#include "clients/cli/commands/samples.h"
#include "clients/cli/data/batches.h"

enum { MAX_PIPELINE = 256 };

static normd_client_status submit(normd_client *client, const char *session,
    const normd_stream *stream, const normd_dataset *dataset, size_t batch, size_t begin,
    size_t rows, uint32_t *id, normd_error *error)
{
    normd_array x = normd_dataset_rows(&dataset->x, begin, rows);
    uint32_t weighs = dataset->weight.data != NULL;
    normd_client_begin(
        client, stream->method, (stream->with_target ? 3U : 2U) + weighs + stream->more_fields);
    normd_client_put_string(client, "session", session);
    if (stream->with_target) {
        normd_array target = normd_dataset_rows(&dataset->target, begin, rows);
        normd_client_put_array(client, "target", &target);
    }
    if (weighs) {
        normd_array weight = normd_dataset_rows(&dataset->weight, begin, rows);
        normd_client_put_array(client, "sample_weight", &weight);
    }
    if (stream->put_more != NULL) {
        stream->put_more(stream->context, client, batch);
    }
    normd_client_put_array(client, "x", &x);
    return normd_client_submit(client, id, error);
}

static normd_cli_exit send_all(normd_client *client, const char *session,
    const normd_stream *stream, const normd_dataset *dataset, size_t batch, size_t pipeline)
{
    normd_error error;
    normd_client_status status = NORMD_CLIENT_OK;
    normd_batches batches = normd_batches_plan(dataset->rows, batch, false);
    uint32_t id[MAX_PIPELINE];
    size_t sent = 0;
    size_t received = 0;
    while (status == NORMD_CLIENT_OK && received < batches.count) {
        size_t begin;
        if (sent < batches.count && sent - received < pipeline) {
            size_t rows = normd_batches_get(&batches, sent, &begin);
            status = submit(
                client, session, stream, dataset, sent, begin, rows, &id[sent % pipeline], &error);
            sent++;
            continue;
        }
        normd_client_answer *answer;
        status = normd_client_wait(client, id[received % pipeline], &answer, &error);
        if (status == NORMD_CLIENT_OK) {
            size_t rows = normd_batches_get(&batches, received, &begin);
            status = stream->take(stream->context, answer, rows, &error);
            normd_client_answer_free(answer);
            received++;
        }
    }
    return normd_cli_report(status, &error);
}

normd_cli_exit normd_stream_run(const normd_cli *cli, const normd_argument *options,
    const normd_arguments *arguments, const normd_stream *stream)
{
    normd_error error = {.status = NORMD_OK};
    size_t batch =
        normd_arguments_count(options, arguments, NORMD_SAMPLES_BATCH, 1024, 1, SIZE_MAX, &error);
    size_t pipeline = normd_arguments_count(
        options, arguments, NORMD_SAMPLES_PIPELINE, 4, 1, MAX_PIPELINE, &error);
    if (error.status != NORMD_OK) {
        return normd_cli_usage_error("%s: %s", stream->method, error.message);
    }
    const char *session = arguments->rest[0];
    normd_client *client;
    normd_cli_exit code = normd_cli_connect(cli, &client);
    if (code != NORMD_CLI_OK) {
        return code;
    }
    normd_samples_session about;
    normd_dataset dataset;
    code = normd_samples_describe(client, session, &about);
    if (code == NORMD_CLI_OK) {
        code = normd_samples_read(options, arguments, &about, stream->with_target, &dataset);
    }
    if (code == NORMD_CLI_OK) {
        code = send_all(client, session, stream, &dataset, batch, pipeline);
        normd_dataset_free(&dataset);
    }
    if (code == NORMD_CLI_OK && stream->finish != NULL) {
        code = stream->finish(stream->context, client, session);
    }
    normd_client_close(client);
    return code;
}
