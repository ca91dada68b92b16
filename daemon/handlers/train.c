// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_arguments *arguments = &request->arguments;
    normd_status status = normd_take_session(request, &call->field[NORMD_TRAIN_SESSION], error);
    if (status == NORMD_OK) {
        status = normd_take_array(request, &call->field[NORMD_TRAIN_X], &arguments->x, error);
    }
    if (status == NORMD_OK) {
        status =
            normd_take_array(request, &call->field[NORMD_TRAIN_TARGET], &arguments->target, error);
    }
    return status;
}

static normd_status run(normd_request *request, normd_error *error)
{
    const normd_arguments *arguments = &request->arguments;
    normd_train_result result;
    normd_status status = normd_session_train(
        request->entry->session, &arguments->x.array, &arguments->target.array, &result, error);
    if (status == NORMD_OK) {
        normd_answer_train_result(request, &result);
    }
    return status;
}

const normd_handler normd_handler_train = {.parse = parse, .run = run};
