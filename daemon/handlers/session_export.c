// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_status status = normd_check_format(&call->field[NORMD_EXPORT_FORMAT], error);
    if (status == NORMD_OK) {
        status = normd_take_session(request, &call->field[NORMD_EXPORT_SESSION], error);
    }
    return status;
}

static normd_status run(normd_request *request, normd_error *error)
{
    normd_buffer *file = NULL;
    normd_status status = normd_snapshot_export(request->snapshot, &file, error);
    if (status != NORMD_OK) {
        return status;
    }
    msgpack_packer packer = normd_request_answer(request, 3);
    normd_answer_text(&packer, "format", "safetensors");
    normd_answer_uint(&packer, "version", normd_snapshot_version(request->snapshot));
    normd_answer_last_bytes(request, &packer, "data", file);
    return NORMD_OK;
}

static size_t answer_bytes(const normd_request *request)
{
    return normd_session_state_bytes(request->entry->session);
}

const normd_handler normd_handler_session_export = {
    .parse = parse, .run = run, .answer_bytes = answer_bytes};
