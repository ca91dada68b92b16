// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_status status = normd_take_session(request, &call->field[NORMD_EVALUATE_SESSION], error);
    if (status == NORMD_OK) {
        status = normd_take_batch(
            request, &call->field[NORMD_EVALUATE_X], &call->field[NORMD_EVALUATE_TARGET], error);
    }
    if (status == NORMD_OK) {
        status = normd_take_batch_extras(request, &call->field[NORMD_EVALUATE_SAMPLE_WEIGHT],
            &call->field[NORMD_EVALUATE_MASK], error);
    }
    return status;
}

static normd_status run(normd_request *request, normd_error *error)
{
    normd_train_batch batch = normd_batch_of(request);
    normd_train_result result;
    normd_status status = normd_snapshot_evaluate(request->snapshot, &batch, &result, error);
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
