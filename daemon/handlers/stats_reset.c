// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    normd_status status = normd_take_session(request, &call->field[NORMD_RESET_SESSION], error);
    if (status == NORMD_OK) {
        status = normd_take_layer(request, message, &call->field[NORMD_RESET_LAYER], error);
    }
    return status;
}

static normd_status run(normd_request *request, normd_error *error)
{
    uint64_t version;
    normd_status status = normd_session_reset_statistics(
        request->entry->session, request->arguments.layer, &version, error);
    if (status == NORMD_OK) {
        msgpack_packer packer = normd_request_answer(request, 1);
        normd_answer_uint(&packer, "version", version);
    }
    return status;
}

const normd_handler normd_handler_stats_reset = {.parse = parse, .run = run};
