// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_status status = normd_take_session(request, &call->field[NORMD_INFER_SESSION], error);
    if (status == NORMD_OK) {
        status =
            normd_take_array(request, &call->field[NORMD_INFER_X], &request->arguments.x, error);
    }
    return status;
}

static normd_status run(normd_request *request, normd_error *error)
{
    normd_tensor y = {.buffer = NULL};
    normd_status status = normd_snapshot_infer(request->snapshot, &request->arguments.x, &y, error);
    if (status != NORMD_OK) {
        return status;
    }
    msgpack_packer packer = normd_request_answer(request, 2);
    normd_answer_uint(&packer, "version", normd_snapshot_version(request->snapshot));
    normd_answer_last_array(request, &packer, "y", &y);
    return NORMD_OK;
}

static uint64_t cost(const normd_request *request)
{
    return normd_snapshot_cost(request->snapshot, &request->arguments.x.array.shape);
}

static size_t answer_bytes(const normd_request *request)
{
    return normd_session_output_bytes(request->entry->session, &request->arguments.x.array.shape);
}

const normd_handler normd_handler_infer = {
    .parse = parse, .run = run, .cost = cost, .answer_bytes = answer_bytes};
