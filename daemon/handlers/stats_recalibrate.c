// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"

static normd_status take_mode(normd_request *request, const normd_value *value, normd_error *error)
{
    normd_recalibration_mode *mode = &request->arguments.recalibration;
    *mode = NORMD_RECALIBRATE_POOLED;
    if (!value->present || normd_value_is(value, "pooled")) {
        return NORMD_OK;
    }
    if (normd_value_is(value, "mean_of_variances")) {
        *mode = NORMD_RECALIBRATE_MEAN_OF_VARIANCES;
        return NORMD_OK;
    }
    char got[NORMD_OPTIONS_SHOW_BYTES];
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "mode: expected \"pooled\" or \"mean_of_variances\", got %s",
        normd_options_show_string(value->as.string.text, value->as.string.length, got, sizeof got));
}

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_arguments *arguments = &request->arguments;
    const normd_value *field = call->field;
    normd_status status = take_mode(request, &field[NORMD_RECALIBRATE_MODE], error);
    if (status == NORMD_OK) {
        status = normd_take_session(request, &field[NORMD_RECALIBRATE_SESSION], error);
    }
    if (status == NORMD_OK) {
        status = normd_take_array(request, &field[NORMD_RECALIBRATE_X], &arguments->x, error);
    }
    if (status == NORMD_OK) {
        status = normd_take_array(request, &field[NORMD_RECALIBRATE_MASK], &arguments->mask, error);
    }
    arguments->finish = normd_value_bool(&field[NORMD_RECALIBRATE_FINISH], true);
    arguments->restart = normd_value_bool(&field[NORMD_RECALIBRATE_RESTART], false);
    return status;
}

static normd_status run(normd_request *request, normd_error *error)
{
    const normd_arguments *arguments = &request->arguments;
    normd_recalibration_options options = {
        .mode = arguments->recalibration,
        .mask = arguments->mask.buffer != NULL ? &arguments->mask.array : NULL,
        .restart = arguments->restart,
        .finish = arguments->finish,
    };
    const normd_array *x = arguments->x.buffer != NULL ? &arguments->x.array : NULL;
    normd_recalibration_result result;
    normd_status status =
        normd_session_recalibrate(request->entry->session, x, &options, &result, error);
    if (status == NORMD_OK) {
        msgpack_packer packer = normd_request_answer(request, 3);
        normd_answer_uint(&packer, "batches", result.batches);
        normd_answer_bool(&packer, "finished", options.finish);
        normd_answer_uint(&packer, "version", result.version);
    }
    return status;
}

const normd_handler normd_handler_stats_recalibrate = {.parse = parse, .run = run};
