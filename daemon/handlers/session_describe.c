// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/describe.h"
#include "daemon/handlers/table.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_status status = normd_take_session(request, &call->field[NORMD_DESCRIBE_SESSION], error);
    if (status == NORMD_OK) {
        status = normd_take_convention(request, &call->field[NORMD_DESCRIBE_CONVENTION], error);
    }
    return status;
}

static normd_status run(normd_request *request, normd_error *error)
{
    return normd_answer_description(request, request->snapshot, NULL, error);
}

const normd_handler normd_handler_session_describe = {.parse = parse, .run = run};
