// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_arguments *arguments = &request->arguments;
    normd_status status = normd_take_session(request, &call->field[NORMD_EVALUATE_SESSION], error);
    if (status == NORMD_OK) {
        status = normd_take_array(request, &call->field[NORMD_EVALUATE_X], &arguments->x, error);
    }
    if (status == NORMD_OK) {
        status = normd_take_array(
            request, &call->field[NORMD_EVALUATE_TARGET], &arguments->target, error);
    }
    return status;
}

static normd_status run(normd_request *request, normd_error *error)
{
    const normd_arguments *arguments = &request->arguments;
    normd_train_result result;
    normd_status status = normd_snapshot_evaluate(
        request->snapshot, &arguments->x.array, &arguments->target.array, &result, error);
    if (status == NORMD_OK) {
        normd_answer_train_result(request, &result);
    }
    return status;
}

static uint64_t cost(const normd_request *request)
{
    return normd_snapshot_cost(request->snapshot, &request->arguments.x.array.shape);
}

const normd_handler normd_handler_evaluate = {.parse = parse, .run = run, .cost = cost};
