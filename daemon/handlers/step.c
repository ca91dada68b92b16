// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    return normd_take_session(request, &call->field[NORMD_STEP_SESSION], error);
}

static normd_status run(normd_request *request, normd_error *error)
{
    uint64_t version;
    normd_status status = normd_session_step(request->entry->session, &version, error);
    if (status != NORMD_OK) {
        return status;
    }
    msgpack_packer packer = normd_request_answer(request, 1);
    normd_answer_uint(&packer, "version", version);
    return NORMD_OK;
}

const normd_handler normd_handler_step = {.parse = parse, .run = run};
