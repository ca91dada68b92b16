// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_status status = normd_take_session(request, &call->field[NORMD_TRAIN_SESSION], error);
    if (status == NORMD_OK) {
        status = normd_take_batch(
            request, &call->field[NORMD_TRAIN_X], &call->field[NORMD_TRAIN_TARGET], error);
    }
    if (status == NORMD_OK) {
        status = normd_take_batch_extras(request, &call->field[NORMD_TRAIN_SAMPLE_WEIGHT],
            &call->field[NORMD_TRAIN_MASK], error);
    }
    return status;
}

static normd_status run(normd_request *request, normd_error *error)
{
    normd_train_batch batch = normd_batch_of(request);
    normd_train_result result;
    normd_status status = normd_session_train(request->entry->session, &batch, &result, error);
    if (status == NORMD_OK) {
        request->mutation.loss = result.loss;
        normd_answer_train_result(request, &result);
    }
    return status;
}

const normd_handler normd_handler_train = {.parse = parse, .run = run};
