// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/describe.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"
#include "lib/options/options.h"

static normd_status take_tree_array(void *context, const normd_wire_array *wire,
    normd_tensor *tensor, const char *name, normd_error *error)
{
    (void)name;
    return normd_take_wire_array(context, wire, tensor, error);
}

/* A field of the configuration as JSON. */
static normd_status read_field(const normd_tree_reader *reader, const normd_field *field,
    const normd_value *value, json_t **json, normd_error *error)
{
    msgpack_object object;
    switch (field->kind) {
    case NORMD_KIND_TREE:
        return normd_tree_read(reader, field->name, value->as.tree, json, error);
    case NORMD_KIND_UINT:
        object =
            (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = value->as.uint};
        return normd_tree_read(reader, field->name, &object, json, error);
    default:
        object = (msgpack_object){.type = MSGPACK_OBJECT_STR,
            .via.str = {.ptr = value->as.string.text, .size = (uint32_t)value->as.string.length}};
        return normd_tree_read(reader, field->name, &object, json, error);
    }
}

/* The fields that make the configuration: all but the name and what to do if it is there. */
static normd_status read_configuration(
    const normd_tree_reader *reader, const normd_call *call, json_t *to, normd_error *error)
{
    normd_status status = NORMD_OK;
    for (size_t i = 0; status == NORMD_OK && i < call->method->field_count; i++) {
        const normd_value *value = &call->field[i];
        if (!value->present || i == NORMD_CREATE_SESSION || i == NORMD_CREATE_IF_EXISTS) {
            continue;
        }
        json_t *json = NULL;
        status = read_field(reader, &call->method->fields[i], value, &json, error);
        if (status == NORMD_OK &&
            json_object_set_new(to, call->method->fields[i].name, json) != 0) {
            status = normd_error_no_memory(error);
        }
    }
    return status;
}

static normd_status read_if_exists(
    const normd_value *value, normd_if_exists *if_exists, normd_error *error)
{
    *if_exists = NORMD_IF_EXISTS_ERROR;
    if (!value->present || normd_value_is(value, "error")) {
        return NORMD_OK;
    }
    if (normd_value_is(value, "ok")) {
        *if_exists = NORMD_IF_EXISTS_OK;
        return NORMD_OK;
    }
    if (normd_value_is(value, "replace")) {
        *if_exists = NORMD_IF_EXISTS_REPLACE;
        return NORMD_OK;
    }
    char got[NORMD_OPTIONS_SHOW_BYTES];
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "if_exists: expected \"error\", \"ok\" or \"replace\", got %s",
        normd_options_show_string(value->as.string.text, value->as.string.length, got, sizeof got));
}

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    normd_arguments *arguments = &request->arguments;
    normd_tree_reader reader = {.message = message,
        .arrays = &arguments->arrays,
        .take = take_tree_array,
        .context = request};
    normd_status status = normd_request_charge_tree(request, message, error);
    if (status != NORMD_OK) {
        return status;
    }
    arguments->configuration = json_object();
    if (arguments->configuration == NULL) {
        return normd_error_no_memory(error);
    }
    status = read_if_exists(&call->field[NORMD_CREATE_IF_EXISTS], &arguments->if_exists, error);
    if (status == NORMD_OK) {
        status = read_configuration(&reader, call, arguments->configuration, error);
    }
    if (status == NORMD_OK) {
        status = normd_claim_session(request, &call->field[NORMD_CREATE_SESSION], error);
    }
    return status;
}

static normd_status already_there(const normd_request *request, const char *how, normd_error *error)
{
    return normd_error_set(error, NORMD_SESSION_EXISTS,
        "session: expected a new name, got \"%s\", which is there already%s", request->entry->name,
        how);
}

/* The made session has met one of the same name: it stays in `made` only when it replaces that. */
static normd_status meet(normd_request *request, bool *created, normd_error *error)
{
    normd_session *there = request->entry->session;
    *created = there == NULL || request->arguments.if_exists == NORMD_IF_EXISTS_REPLACE;
    if (*created) {
        return NORMD_OK;
    }
    bool same = normd_session_same_configuration(there, request->made);
    normd_session_destroy(request->made);
    request->made = NULL;
    return same ? NORMD_OK : already_there(request, " with another configuration", error);
}

static normd_status run(normd_request *request, normd_error *error)
{
    normd_arguments *arguments = &request->arguments;
    const normd_session_entry *entry = request->entry;
    if (entry->session != NULL && arguments->if_exists == NORMD_IF_EXISTS_ERROR) {
        return already_there(request, "", error);
    }
    normd_attachments attachments = normd_tree_attachments(&arguments->arrays);
    normd_status status = normd_session_create(
        &request->server->engine, arguments->configuration, &attachments, &request->made, error);
    if (status != NORMD_OK) {
        return status;
    }
    bool created;
    status = meet(request, &created, error);
    if (status != NORMD_OK) {
        return status;
    }
    normd_snapshot *snapshot =
        normd_session_snapshot(request->made != NULL ? request->made : entry->session);
    status = normd_answer_description(request, snapshot, &created, error);
    normd_snapshot_release(snapshot);
    if (status != NORMD_OK) {
        normd_session_destroy(request->made);
        request->made = NULL;
    }
    return status;
}

const normd_handler normd_handler_session_create = {
    .parse = parse, .run = run, .finish = normd_put_made_session, .makes_session = true};
