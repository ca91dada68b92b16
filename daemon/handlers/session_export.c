// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"
#include "protocol/writer.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_arguments *arguments = &request->arguments;
    const normd_value *optimizer = &call->field[NORMD_EXPORT_OPTIMIZER];
    normd_status status = normd_take_format(request, &call->field[NORMD_EXPORT_FORMAT], error);
    arguments->fold = normd_value_bool(&call->field[NORMD_EXPORT_FOLD], false);
    /* A safetensors file is a whole session, an .npz what get_weights gives. */
    bool whole = arguments->format == NORMD_FORMAT_SAFETENSORS && !arguments->fold;
    arguments->optimizer = normd_value_bool(optimizer, whole);
    if (status == NORMD_OK && arguments->fold && arguments->optimizer) {
        status = normd_error_set(error, NORMD_BAD_ARGUMENT,
            "optimizer: expected false beside fold, whose parameters are others; got true");
    }
    if (status == NORMD_OK) {
        status = normd_take_session(request, &call->field[NORMD_EXPORT_SESSION], error);
    }
    return status;
}

/* The configuration of what was folded, which its file may not have room for. */
static normd_status put_configuration(
    msgpack_packer *packer, const normd_session *folded, normd_error *error)
{
    json_t *configuration = normd_session_configuration(folded);
    if (configuration == NULL) {
        return normd_error_no_memory(error);
    }
    normd_write_str(packer, "configuration");
    msgpack_pack_map(packer, json_object_size(configuration));
    normd_tree_write_entries(packer, configuration);
    json_decref(configuration);
    return NORMD_OK;
}

static normd_status answer(normd_request *request, const normd_snapshot *snapshot,
    const normd_session *folded, normd_error *error)
{
    const normd_export_options options = {
        .format = request->arguments.format, .optimizer = request->arguments.optimizer};
    normd_buffer *file = NULL;
    normd_status status = normd_snapshot_export(snapshot, &options, &file, error);
    if (status != NORMD_OK) {
        return status;
    }
    msgpack_packer packer = normd_request_answer(request, folded == NULL ? 3 : 4);
    normd_answer_text(&packer, "format", normd_format_name(options.format));
    normd_answer_uint(&packer, "version", normd_snapshot_version(snapshot));
    if (folded != NULL) {
        status = put_configuration(&packer, folded, error);
    }
    if (status != NORMD_OK) {
        normd_buffer_release(file);
        return status;
    }
    normd_answer_last_bytes(request, &packer, "data", file);
    return NORMD_OK;
}

static normd_status run(normd_request *request, normd_error *error)
{
    if (!request->arguments.fold) {
        return answer(request, request->snapshot, NULL, error);
    }
    normd_session *folded;
    normd_status status =
        normd_snapshot_fold(&request->server->engine, request->snapshot, &folded, error);
    if (status == NORMD_OK) {
        normd_snapshot *snapshot = normd_session_snapshot(folded);
        status = answer(request, snapshot, folded, error);
        normd_snapshot_release(snapshot);
    }
    normd_session_destroy(folded);
    return status;
}

static size_t answer_bytes(const normd_request *request)
{
    return normd_session_state_bytes(request->entry->session);
}

const normd_handler normd_handler_session_export = {
    .parse = parse, .run = run, .answer_bytes = answer_bytes};
