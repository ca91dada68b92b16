// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"

static normd_status refuse_array(void *context, const normd_wire_array *wire, normd_tensor *tensor,
    const char *name, normd_error *error)
{
    (void)context;
    (void)wire;
    (void)tensor;
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "%s: expected numbers, texts, lists and maps, got an array", name);
}

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    normd_arguments *arguments = &request->arguments;
    normd_tree_reader reader = {
        .message = message, .arrays = &arguments->arrays, .take = refuse_array};
    normd_status status = normd_request_charge_tree(request, message, error);
    arguments->configuration = json_object();
    if (status == NORMD_OK && arguments->configuration == NULL) {
        status = normd_error_no_memory(error);
    }
    for (size_t i = NORMD_OPTIMIZER_SET_LR; status == NORMD_OK && i < call->method->field_count;
         i++) {
        const char *name = call->method->fields[i].name;
        json_t *json = NULL;
        if (call->field[i].present) {
            status = normd_tree_read(&reader, name, call->field[i].as.tree, &json, error);
        }
        if (json != NULL && json_object_set_new(arguments->configuration, name, json) != 0) {
            status = normd_error_no_memory(error);
        }
    }
    return status == NORMD_OK
               ? normd_take_session(request, &call->field[NORMD_OPTIMIZER_SET_SESSION], error)
               : status;
}

static normd_status run(normd_request *request, normd_error *error)
{
    uint64_t version;
    normd_status status = normd_session_optimizer_set(
        request->entry->session, request->arguments.configuration, &version, error);
    if (status != NORMD_OK) {
        return status;
    }
    msgpack_packer packer = normd_request_answer(request, 1);
    normd_answer_uint(&packer, "version", version);
    return NORMD_OK;
}

const normd_handler normd_handler_optimizer_set = {.parse = parse, .run = run};
