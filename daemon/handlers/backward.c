// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_arguments *arguments = &request->arguments;
    normd_status status = normd_take_session(request, &call->field[NORMD_BACKWARD_SESSION], error);
    if (status == NORMD_OK) {
        status = normd_take_array(request, &call->field[NORMD_BACKWARD_DY], &arguments->dy, error);
    }
    arguments->step = call->field[NORMD_BACKWARD_STEP].as.uint;
    arguments->apply = normd_value_bool(&call->field[NORMD_BACKWARD_APPLY], true);
    return status;
}

static void answer(normd_request *request, uint64_t version, normd_tensor *dx)
{
    msgpack_packer packer = normd_request_answer(request, 2);
    normd_answer_uint(&packer, "version", version);
    normd_answer_last_array(request, &packer, "dx", dx);
}

static normd_status run(normd_request *request, normd_error *error)
{
    normd_arguments *arguments = &request->arguments;
    normd_tensor dx = {.buffer = NULL};
    uint64_t version;
    normd_status status = normd_session_backward(request->entry->session, arguments->step,
        arguments->apply, &arguments->dy, normd_now_milliseconds(), &dx, &version, error);
    if (status != NORMD_OK) {
        return status;
    }
    request->mutation.version = version;
    request->mutation.step = arguments->step;
    answer(request, version, &dx);
    return NORMD_OK;
}

/* From what the step kept, with the version of the first time. */
static normd_status again(
    normd_request *request, const normd_ledger_answer *known, normd_error *error)
{
    normd_tensor dx = {.buffer = NULL};
    normd_status status = normd_session_backward_again(
        request->entry->session, known->step, &request->arguments.dy, &dx, error);
    if (status == NORMD_OK) {
        answer(request, normd_once_version(request), &dx);
    }
    return status;
}

const normd_handler normd_handler_backward = {.parse = parse, .run = run, .again = again};
