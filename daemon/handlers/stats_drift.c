// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/measures.h"
#include "daemon/handlers/table.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    normd_arguments *arguments = &request->arguments;
    normd_status status = normd_take_session(request, &call->field[NORMD_DRIFT_SESSION], error);
    if (status == NORMD_OK) {
        status = normd_take_array(request, &call->field[NORMD_DRIFT_X], &arguments->x, error);
    }
    if (status == NORMD_OK) {
        status = normd_take_layer(request, message, &call->field[NORMD_DRIFT_LAYER], error);
    }
    return status;
}

static normd_status run(normd_request *request, normd_error *error)
{
    const normd_arguments *arguments = &request->arguments;
    normd_measures measures;
    normd_status status = normd_snapshot_drift(
        request->snapshot, &arguments->x.array, arguments->layer, &measures, error);
    return status == NORMD_OK ? normd_answer_measures(request, &measures, error) : status;
}

static uint64_t cost(const normd_request *request)
{
    return normd_snapshot_cost(request->snapshot, &request->arguments.x.array.shape);
}

static size_t answer_bytes(const normd_request *request)
{
    return normd_session_state_bytes(request->entry->session);
}

const normd_handler normd_handler_stats_drift = {
    .parse = parse, .run = run, .cost = cost, .answer_bytes = answer_bytes};
