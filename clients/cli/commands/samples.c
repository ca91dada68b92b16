// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/samples.h"

#include <math.h>
#include <string.h>

#include "clients/cli/common/number.h"

static bool text_is(const msgpack_object *object, const char *text)
{
    return object != NULL && object->type == MSGPACK_OBJECT_STR &&
           object->via.str.size == strlen(text) &&
           memcmp(object->via.str.ptr, text, strlen(text)) == 0;
}

normd_cli_exit normd_samples_describe(
    normd_client *client, const char *session, normd_samples_session *about)
{
    normd_client_answer *answer;
    normd_client_begin(client, "session.describe", 1);
    normd_client_put_string(client, "session", session);
    normd_cli_exit code = normd_cli_call(client, &answer);
    if (code == NORMD_CLI_OK) {
        const msgpack_object *loss = normd_client_get(answer->result, "loss");
        if (loss != NULL && loss->type == MSGPACK_OBJECT_MAP) {
            loss = normd_client_get(loss, "type");
        }
        about->dtype =
            text_is(normd_client_get(answer->result, "dtype"), "float64") ? NORMD_F64 : NORMD_F32;
        about->labels =
            text_is(loss, "cross_entropy") || text_is(loss, "sparse_categorical_crossentropy");
        about->inputs = 0;
        const msgpack_object *input = normd_client_get(answer->result, "input");
        if (input != NULL && input->type == MSGPACK_OBJECT_ARRAY && input->via.array.size == 1) {
            normd_client_uint(&input->via.array.ptr[0], &about->inputs);
        }
        normd_client_answer_free(answer);
    }
    return code;
}

static normd_status read_words(
    const normd_arguments *arguments, normd_dataset_options *options, normd_error *error)
{
    const char *header = arguments->value[NORMD_SAMPLES_SKIP_HEADER];
    if (header != NULL && strcmp(header, "yes") == 0) {
        options->header = NORMD_CSV_HEADER_YES;
    } else if (header != NULL && strcmp(header, "no") == 0) {
        options->header = NORMD_CSV_HEADER_NO;
    } else if (header != NULL && strcmp(header, "auto") != 0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "--skip-header: expected auto, yes or no, got \"%s\"", header);
    }
    const char *target = arguments->value[NORMD_SAMPLES_TARGET];
    if (target == NULL) {
        return NORMD_OK;
    }
    if (strcmp(target, "first") == 0) {
        options->target = NORMD_TARGET_FIRST;
    } else if (strcmp(target, "last") == 0) {
        options->target = NORMD_TARGET_LAST;
    } else if (strcmp(target, "none") == 0) {
        options->target = NORMD_TARGET_NONE;
    } else if (normd_number_parse_count(target, &options->column)) {
        options->target = NORMD_TARGET_COLUMN;
    } else {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "--target: expected first, last, none or a column from 0, got \"%s\"", target);
    }
    return NORMD_OK;
}

static normd_status read_options(const normd_argument *table, const normd_arguments *arguments,
    bool wants_target, normd_dataset_options *options, normd_error *error)
{
    const char *const *value = arguments->value;
    options->table = arguments->rest_count > 1 ? arguments->rest[1] : NULL;
    options->x_path = value[NORMD_SAMPLES_X];
    options->y_path = value[NORMD_SAMPLES_Y];
    options->weight_path = value[NORMD_SAMPLES_WEIGHT];
    if ((options->table == NULL) == (options->x_path == NULL)) {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "expected either a table or --x FILE.npy");
    }
    if (wants_target && options->x_path != NULL && options->y_path == NULL) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT, "expected --y FILE.npy beside --x");
    }
    if (options->table != NULL && options->y_path != NULL) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "--y: expected only beside --x; a table has its target inside");
    }
    if (read_words(arguments, options, error) != NORMD_OK) {
        return error->status;
    }
    const char *rows = value[NORMD_SAMPLES_ROWS];
    if (rows != NULL && !normd_number_parse_range(rows, &options->begin, &options->end)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "--rows: expected A:B with A <= B (either may be left out), got \"%s\"", rows);
    }
    options->scale =
        normd_arguments_number(table, arguments, NORMD_SAMPLES_SCALE, 1.0, -1e300, 1e300, error);
    if (error->status == NORMD_OK && options->scale == 0.0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT, "--scale: expected a number but 0");
    }
    return error->status;
}

normd_cli_exit normd_samples_read(const normd_argument *table, const normd_arguments *arguments,
    const normd_samples_session *about, bool wants_target, normd_dataset *dataset)
{
    normd_error error = {.status = NORMD_OK};
    normd_dataset_options options = {.target = wants_target ? NORMD_TARGET_LAST : NORMD_TARGET_NONE,
        .end = SIZE_MAX,
        .dtype = about->dtype,
        .labels = about->labels && wants_target};
    if (read_options(table, arguments, wants_target, &options, &error) != NORMD_OK ||
        normd_dataset_read(&options, dataset, &error) != NORMD_OK) {
        return normd_cli_usage_error("%s", error.message);
    }
    if (wants_target && dataset->target.data == NULL) {
        normd_dataset_free(dataset);
        return normd_cli_usage_error("--target: expected a column, got none");
    }
    /* A table that was trained on still has its targets inside. */
    size_t columns = normd_dataset_row_elements(&dataset->x);
    if (options.table != NULL && dataset->target.data == NULL && about->inputs > 0 &&
        columns == about->inputs + 1) {
        normd_dataset_free(dataset);
        return normd_cli_usage_error("%s: expected %zu columns, got %zu; if the last is the "
                                     "target, leave it out with --target last",
            options.table, columns - 1, columns);
    }
    return NORMD_CLI_OK;
}
