// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"

/* An optimizer has no arrays. */
static normd_status refuse_array(void *context, const normd_wire_array *wire, normd_tensor *tensor,
    const char *name, normd_error *error)
{
    (void)context;
    (void)wire;
    (void)tensor;
    return normd_error_set(
        error, NORMD_BAD_ARGUMENT, "%s: expected plain values, got an array", name);
}

static normd_status take_optimizer(
    normd_request *request, normd_message *message, const normd_value *value, normd_error *error)
{
    normd_arguments *arguments = &request->arguments;
    if (!value->present) {
        return NORMD_OK;
    }
    normd_tree_reader reader = {
        .message = message, .arrays = &arguments->arrays, .take = refuse_array};
    /* A node of a tree is larger than on the wire, but no message without arrays is large. */
    normd_status status = normd_request_charge(request, message->head_size, error);
    if (status == NORMD_OK) {
        status =
            normd_tree_read(&reader, "optimizer", value->as.tree, &arguments->configuration, error);
    }
    return status;
}

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    normd_status status = normd_take_session(request, &call->field[NORMD_CONVERT_SESSION], error);
    if (status == NORMD_OK) {
        status = normd_take_convention(request, &call->field[NORMD_CONVERT_CONVENTION], error);
    }
    if (status == NORMD_OK) {
        status = take_optimizer(request, message, &call->field[NORMD_CONVERT_OPTIMIZER], error);
    }
    return status;
}

static normd_status run(normd_request *request, normd_error *error)
{
    const normd_arguments *arguments = &request->arguments;
    uint64_t version;
    normd_status status = normd_session_convert(
        request->entry->session, arguments->convention, arguments->configuration, &version, error);
    if (status == NORMD_OK) {
        msgpack_packer packer = normd_request_answer(request, 2);
        normd_answer_text(
            &packer, "convention", normd_convention_facts_of(arguments->convention)->name);
        normd_answer_uint(&packer, "version", version);
    }
    return status;
}

const normd_handler normd_handler_session_convert = {.parse = parse, .run = run};
