// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/arguments.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/durable/bytes.h"
#include "daemon/server.h"
#include "protocol/object.h"

/* Up to so many bytes of a wrong word are shown; clients may send anything. */
enum { SHOWN_BYTES = 40 };

static int shown(const normd_value *value)
{
    return value->as.string.length < SHOWN_BYTES ? (int)value->as.string.length : SHOWN_BYTES;
}

bool normd_value_is(const normd_value *value, const char *text)
{
    return value->as.string.length == strlen(text) &&
           memcmp(value->as.string.text, text, value->as.string.length) == 0;
}

bool normd_value_bool(const normd_value *value, bool otherwise)
{
    return value->present ? value->as.boolean : otherwise;
}

/* The protocol has checked the rest: UTF-8 without control characters. */
static normd_status check_name_length(size_t length, normd_error *error)
{
    if (length < 1 || length > NORMD_SESSION_NAME_BYTES) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "session: expected a name of 1 to %d bytes, got %zu", NORMD_SESSION_NAME_BYTES, length);
    }
    return NORMD_OK;
}

normd_status normd_take_session(
    normd_request *request, const normd_value *value, normd_error *error)
{
    const char *name = value->as.string.text;
    size_t length = value->as.string.length;
    normd_status status = check_name_length(length, error);
    if (status != NORMD_OK) {
        return status;
    }
    request->entry = normd_session_map_find(&request->server->sessions, name, length);
    if (request->entry == NULL) {
        return normd_error_set(error, NORMD_NO_SUCH_SESSION,
            "session: expected the name of a session, got \"%.*s\"", (int)length, name);
    }
    return NORMD_OK;
}

normd_status normd_claim_session(
    normd_request *request, const normd_value *value, normd_error *error)
{
    const char *name = value->as.string.text;
    size_t length = value->as.string.length;
    normd_status status = check_name_length(length, error);
    if (status != NORMD_OK) {
        return status;
    }
    request->entry = normd_session_map_claim(&request->server->sessions, name, length);
    return request->entry != NULL ? NORMD_OK : normd_error_no_memory(error);
}

static normd_status move_payload(
    normd_request *request, const normd_wire_array *wire, normd_tensor *tensor)
{
    normd_buffer *buffer = wire->payload->handle;
    wire->payload->handle = NULL;
    /* The connection charged it when it gave the memory out. */
    request->connection->announced -= buffer->size;
    request->charged += buffer->size;
    *tensor = (normd_tensor){.array = wire->array, .buffer = buffer};
    return NORMD_OK;
}

normd_status normd_take_wire_array(
    normd_request *request, const normd_wire_array *wire, normd_tensor *tensor, normd_error *error)
{
    if (wire->payload != NULL) {
        return move_payload(request, wire, tensor);
    }
    size_t bytes = normd_array_bytes(&wire->array);
    normd_status status = normd_request_charge(request, bytes, error);
    if (status == NORMD_OK) {
        status = normd_tensor_take(
            request->server->engine.buffers, wire->array.dtype, &wire->array.shape, tensor, error);
    }
    if (status == NORMD_OK && bytes > 0) {
        memcpy(tensor->array.data, wire->array.data, bytes);
    }
    return status;
}

normd_status normd_take_array(
    normd_request *request, const normd_value *value, normd_tensor *tensor, normd_error *error)
{
    if (!value->present) {
        return NORMD_OK;
    }
    return normd_take_wire_array(request, &value->as.array, tensor, error);
}

normd_status normd_take_batch(
    normd_request *request, const normd_value *x, const normd_value *target, normd_error *error)
{
    normd_arguments *arguments = &request->arguments;
    normd_status status = normd_take_array(request, x, &arguments->x, error);
    return status == NORMD_OK ? normd_take_array(request, target, &arguments->target, error)
                              : status;
}

normd_status normd_take_batch_extras(normd_request *request, const normd_value *sample_weight,
    const normd_value *mask, normd_error *error)
{
    normd_arguments *arguments = &request->arguments;
    normd_status status =
        normd_take_array(request, sample_weight, &arguments->sample_weight, error);
    return status == NORMD_OK ? normd_take_array(request, mask, &arguments->mask, error) : status;
}

normd_train_batch normd_batch_of(const normd_request *request)
{
    const normd_arguments *arguments = &request->arguments;
    bool weighted = arguments->sample_weight.buffer != NULL;
    return (normd_train_batch){
        .x = &arguments->x.array,
        .target = &arguments->target.array,
        .sample_weight = weighted ? &arguments->sample_weight.array : NULL,
        .mask = arguments->mask.buffer != NULL ? &arguments->mask.array : NULL,
    };
}

normd_status normd_take_convention(
    normd_request *request, const normd_value *value, normd_error *error)
{
    normd_arguments *arguments = &request->arguments;
    if (!value->present) {
        return NORMD_OK;
    }
    arguments->has_convention = true;
    for (int i = 0; i < NORMD_CONVENTION_COUNT; i++) {
        arguments->convention = (normd_convention)i;
        if (normd_value_is(value, normd_convention_facts_of(arguments->convention)->name)) {
            return NORMD_OK;
        }
    }
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "convention: expected \"pytorch\" or \"keras\", got \"%.*s\"", shown(value),
        value->as.string.text);
}

normd_status normd_take_format(normd_request *request, const normd_value *value, normd_error *error)
{
    normd_arguments *arguments = &request->arguments;
    if (!value->present) {
        return NORMD_OK;
    }
    arguments->has_format = true;
    for (int i = 0; i < NORMD_FORMAT_COUNT; i++) {
        arguments->format = (normd_exchange_format)i;
        if (normd_value_is(value, normd_format_name(arguments->format))) {
            return NORMD_OK;
        }
    }
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "format: expected \"safetensors\" or \"npz\", got \"%.*s\"", shown(value),
        value->as.string.text);
}

normd_status normd_parse_nothing(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)request;
    (void)message;
    (void)call;
    (void)error;
    return NORMD_OK;
}

void normd_put_made_session(normd_request *request)
{
    if (request->made != NULL) {
        normd_session_map_put(
            &request->server->sessions, request->entry, request->made, request->mutation.made);
        request->made = NULL;
        request->mutation.made = NULL;
    }
}

uint64_t normd_now_milliseconds(void)
{
    return uv_hrtime() / 1000000;
}

normd_status normd_take_layer(
    normd_request *request, normd_message *message, const normd_value *value, normd_error *error)
{
    if (!value->present) {
        return NORMD_OK;
    }
    const msgpack_object *object = value->as.tree;
    normd_object_bytes text;
    char **layer = &request->arguments.layer;
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        if (asprintf(layer, "%" PRIu64, object->via.u64) < 0) {
            *layer = NULL;
        }
    } else if (normd_object_get_bytes(object, message, &text)) {
        *layer = normd_bytes_copy_text(text.data, text.size);
    } else {
        char got[NORMD_OBJECT_SHOW_BYTES];
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "layer: expected an index or a name, got %s",
            normd_object_show(object, got, sizeof got));
    }
    return *layer != NULL ? NORMD_OK : normd_error_no_memory(error);
}
