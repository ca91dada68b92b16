// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"

static normd_status take_file(normd_request *request, const normd_value *value, normd_error *error)
{
    /* A file is moved out of the message as an array of bytes is. */
    normd_wire_array wire = {
        .array = {.dtype = NORMD_U8,
            .shape = {.rank = 1, .dim = {value->as.bytes.size}},
            .data = (void *)(uintptr_t)value->as.bytes.data},
        .payload = value->as.bytes.payload,
    };
    normd_tensor tensor = {.buffer = NULL};
    normd_status status = normd_take_wire_array(request, &wire, &tensor, error);
    request->arguments.file = tensor.buffer;
    request->arguments.file_bytes = value->as.bytes.size;
    return status;
}

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_status status = normd_take_format(request, &call->field[NORMD_IMPORT_FORMAT], error);
    if (status == NORMD_OK) {
        status = take_file(request, &call->field[NORMD_IMPORT_DATA], error);
    }
    if (status == NORMD_OK) {
        status = normd_claim_session(request, &call->field[NORMD_IMPORT_SESSION], error);
    }
    return status;
}

/* A file of another format than the one that was said is a mistake of the caller's. */
static normd_status check_format(const normd_arguments *arguments, normd_error *error)
{
    normd_exchange_format is = normd_format_detect(arguments->file->data, arguments->file_bytes);
    if (!arguments->has_format || arguments->format == is) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_BAD_ARGUMENT, "data: expected a file of format %s, got %s",
        normd_format_name(arguments->format),
        is == NORMD_FORMAT_NPZ ? "a zip archive" : "no zip archive");
}

static normd_status run(normd_request *request, normd_error *error)
{
    const normd_arguments *arguments = &request->arguments;
    normd_session *there = request->entry->session;
    uint64_t version = 0;
    normd_status status = check_format(arguments, error);
    if (status != NORMD_OK) {
        return status;
    }
    if (there != NULL) {
        status = normd_session_import(
            there, arguments->file->data, arguments->file_bytes, &version, error);
    } else {
        status = normd_session_create_from(&request->server->engine, arguments->file->data,
            arguments->file_bytes, &request->made, error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    if (there == NULL) {
        normd_snapshot *snapshot = normd_session_snapshot(request->made);
        version = normd_snapshot_version(snapshot);
        normd_snapshot_release(snapshot);
    }
    msgpack_packer packer = normd_request_answer(request, 2);
    normd_answer_bool(&packer, "created", there == NULL);
    normd_answer_uint(&packer, "version", version);
    return NORMD_OK;
}

const normd_handler normd_handler_session_import = {
    .parse = parse, .run = run, .finish = normd_put_made_session, .makes_session = true};
