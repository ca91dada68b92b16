// SPDX-License-Identifier: Apache-2.0
#include "protocol/call.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "protocol/envelope.h"
#include "protocol/object.h"
#include "protocol/utf8.h"

/* What is being decoded. */
typedef struct decoding {
    normd_message *message;
    normd_call *call;
    normd_error *error;
} decoding;

static const char *field_expected(const normd_field *field)
{
    if (field->expected != NULL) {
        return field->expected;
    }
    switch (field->kind) {
    case NORMD_KIND_STRING:
        return "a string";
    case NORMD_KIND_BOOL:
        return "true or false";
    case NORMD_KIND_UINT:
        return "a non-negative integer";
    case NORMD_KIND_ARRAY:
        return "an array (a map of nd, type, kind, shape, data)";
    case NORMD_KIND_BYTES:
        return "bytes";
    case NORMD_KIND_TREE:
        return "options";
    }
    return "";
}

static normd_status field_wrong(
    const decoding *d, const normd_field *field, const msgpack_object *object)
{
    char shown[NORMD_OBJECT_SHOW_BYTES];
    return normd_error_set(d->error, NORMD_BAD_ARGUMENT, "%s: expected %s, got %s", field->name,
        field_expected(field), normd_object_show(object, shown, sizeof shown));
}

static normd_status field_read_string(
    const decoding *d, const normd_field *field, const msgpack_object *object, normd_value *value)
{
    normd_object_bytes bytes;
    if (!normd_object_get_bytes(object, d->message, &bytes)) {
        return field_wrong(d, field, object);
    }
    if (!normd_utf8_is_plain(bytes.data, bytes.size)) {
        char shown[NORMD_OBJECT_SHOW_BYTES];
        return normd_error_set(d->error, NORMD_BAD_ARGUMENT,
            "%s: expected UTF-8 text without control characters, got %s", field->name,
            normd_object_show(object, shown, sizeof shown));
    }
    value->as.string.text = bytes.data;
    value->as.string.length = bytes.size;
    return NORMD_OK;
}

static normd_status field_read_bytes(
    const decoding *d, const normd_field *field, const msgpack_object *object, normd_value *value)
{
    normd_object_bytes bytes;
    if (!normd_object_get_bytes(object, d->message, &bytes)) {
        return field_wrong(d, field, object);
    }
    value->as.bytes.data = bytes.data;
    value->as.bytes.size = bytes.size;
    value->as.bytes.payload = bytes.payload;
    return NORMD_OK;
}

static normd_status field_read(
    const decoding *d, const normd_field *field, const msgpack_object *object, normd_value *value)
{
    value->present = true;
    switch (field->kind) {
    case NORMD_KIND_STRING:
        return field_read_string(d, field, object, value);
    case NORMD_KIND_BOOL:
        if (object->type != MSGPACK_OBJECT_BOOLEAN) {
            return field_wrong(d, field, object);
        }
        value->as.boolean = object->via.boolean;
        return NORMD_OK;
    case NORMD_KIND_UINT:
        if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER) {
            return field_wrong(d, field, object);
        }
        value->as.uint = object->via.u64;
        return NORMD_OK;
    case NORMD_KIND_ARRAY:
        return normd_wire_array_decode(object, d->message, field->name, &value->as.array, d->error);
    case NORMD_KIND_BYTES:
        return field_read_bytes(d, field, object, value);
    case NORMD_KIND_TREE:
        value->as.tree = object;
        return NORMD_OK;
    }
    return NORMD_OK;
}

static bool field_is(const normd_field *field, const msgpack_object *key)
{
    return normd_object_is(key, field->name, field->name_length);
}

/* The index of the field of this name; field_count when there is none. Most clients write the
   fields in the order of the list, so the one at `guess` is looked at first. */
static size_t field_find(const normd_method *method, size_t guess, const msgpack_object *key)
{
    if (guess < method->field_count && field_is(&method->fields[guess], key)) {
        return guess;
    }
    size_t i = 0;
    while (i < method->field_count && !field_is(&method->fields[i], key)) {
        i++;
    }
    return i;
}

static normd_status field_unknown(const decoding *d, const msgpack_object *key)
{
    const normd_method *method = d->call->method;
    char known[256];
    size_t used = 0;
    known[0] = '\0';
    for (size_t i = 0; i < method->field_count && used < sizeof known; i++) {
        used += (size_t)snprintf(
            known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", method->fields[i].name);
    }
    if (method->mutates && used < sizeof known) {
        snprintf(known + used, sizeof known - used, ", client, seq");
    }
    char shown[NORMD_OBJECT_SHOW_BYTES];
    return normd_error_set(d->error, NORMD_BAD_ARGUMENT, "params: expected %s%s, got the field %s",
        method->field_count > 0 ? "only the fields " : "no fields", known,
        normd_object_show(key, shown, sizeof shown));
}

/* A field that is not in the method's list. */
static normd_status field_other(
    const decoding *d, const msgpack_object_kv *pair, normd_once_reading *once)
{
    bool taken = false;
    if (d->call->method->mutates) {
        normd_status status = normd_once_take(once, pair, d->message, &taken, d->error);
        if (taken) {
            return status;
        }
    }
    return field_unknown(d, &pair->key);
}

static normd_status fields_read(const decoding *d, const msgpack_object_map *params)
{
    const normd_method *method = d->call->method;
    bool seen[NORMD_MAX_FIELDS] = {false};
    normd_once_reading once = {.once = {.present = false}};
    for (uint32_t i = 0; i < params->size; i++) {
        const msgpack_object_kv *pair = &params->ptr[i];
        size_t index = field_find(method, i, &pair->key);
        if (index == method->field_count) {
            normd_status status = field_other(d, pair, &once);
            if (status != NORMD_OK) {
                return status;
            }
            continue;
        }
        const normd_field *field = &method->fields[index];
        if (seen[index]) {
            return normd_error_set(d->error, NORMD_BAD_ARGUMENT,
                "%s: expected the field once, got it twice", field->name);
        }
        seen[index] = true;
        if (pair->val.type == MSGPACK_OBJECT_NIL && !field->required) {
            continue;
        }
        normd_status status = field_read(d, field, &pair->val, &d->call->field[index]);
        if (status != NORMD_OK) {
            return status;
        }
    }
    for (size_t i = 0; i < method->field_count; i++) {
        if (method->fields[i].required && !seen[i]) {
            return normd_error_set(d->error, NORMD_BAD_ARGUMENT, "%s: expected %s, got nothing",
                method->fields[i].name, field_expected(&method->fields[i]));
        }
    }
    return normd_once_finish(&once, &d->call->once, d->error);
}

/* Arrays are answered as the first array field came; without one, as the keys of params came. */
static normd_keys call_keys(const normd_call *call, const msgpack_object_map *params)
{
    for (size_t i = 0; i < call->method->field_count; i++) {
        if (call->method->fields[i].kind == NORMD_KIND_ARRAY && call->field[i].present) {
            return call->field[i].as.array.keys;
        }
    }
    bool bin = params->size > 0 && params->ptr[0].key.type == MSGPACK_OBJECT_BIN;
    return bin ? NORMD_KEYS_BIN : NORMD_KEYS_STR;
}

/* The map of fields: given as it is, as the one element of a list, or not at all. */
static normd_status params_find(
    const decoding *d, const msgpack_object *params, msgpack_object_map *map)
{
    const msgpack_object *object = params;
    *map = (msgpack_object_map){0};
    if (object->type == MSGPACK_OBJECT_ARRAY && object->via.array.size == 0) {
        return NORMD_OK;
    }
    if (object->type == MSGPACK_OBJECT_ARRAY && object->via.array.size == 1) {
        object = &object->via.array.ptr[0];
    }
    if (object->type == MSGPACK_OBJECT_NIL) {
        return NORMD_OK;
    }
    if (object->type == MSGPACK_OBJECT_MAP) {
        *map = object->via.map;
        return NORMD_OK;
    }
    char shown[NORMD_OBJECT_SHOW_BYTES];
    return normd_error_set(d->error, NORMD_BAD_REQUEST,
        "params: expected one map of fields, got %s",
        normd_object_show(params, shown, sizeof shown));
}

static normd_status method_read(const decoding *d, const msgpack_object *object)
{
    char shown[NORMD_OBJECT_SHOW_BYTES];
    normd_object_bytes name;
    if (!normd_object_get_bytes(object, d->message, &name)) {
        return normd_error_set(d->error, NORMD_BAD_REQUEST, "method: expected a string, got %s",
            normd_object_show(object, shown, sizeof shown));
    }
    d->call->method = normd_method_find(name.data, name.size);
    if (d->call->method == NULL) {
        return normd_error_set(d->error, NORMD_NO_SUCH_METHOD,
            "method: expected one of the protocol's methods, got %s",
            normd_object_show(object, shown, sizeof shown));
    }
    /* Those behind the method's are never looked at, and clearing all would cost more than reading
       a small request. */
    memset(d->call->field, 0, d->call->method->field_count * sizeof *d->call->field);
    return NORMD_OK;
}

void normd_call_body(const normd_message *message, const void **data, size_t *size)
{
    normd_envelope envelope = normd_envelope_read(message);
    *data = message->head + envelope.body;
    *size = envelope.body > 0 ? message->head_size - envelope.body : 0;
}

normd_status normd_call_decode(
    normd_message *message, msgpack_zone *zone, normd_call *call, normd_error *error)
{
    memset(call, 0, offsetof(normd_call, field));
    call->keys = NORMD_KEYS_STR;
    normd_envelope envelope = normd_envelope_read(message);
    call->notification = envelope.type == NORMD_ENVELOPE_NOTIFICATION;
    call->has_id = envelope.type == NORMD_ENVELOPE_REQUEST && envelope.has_id;
    call->id = call->has_id ? envelope.id : 0;
    if (!call->notification && !call->has_id) {
        return normd_error_set(error, NORMD_BAD_REQUEST,
            "message: expected a MessagePack-RPC request [0, id, method, params]");
    }
    msgpack_object root;
    normd_status status = normd_envelope_unpack(message, zone, &root, error);
    if (status != NORMD_OK) {
        return status;
    }
    uint32_t size = call->notification ? 3 : 4;
    if (root.via.array.size != size) {
        return normd_error_set(error, NORMD_BAD_REQUEST, "message: expected %s, got a list of %u",
            call->notification ? "[2, method, params]" : "[0, id, method, params]",
            root.via.array.size);
    }
    const msgpack_object *method = &root.via.array.ptr[size - 2];
    const decoding d = {.message = message, .call = call, .error = error};
    msgpack_object_map params;
    status = method_read(&d, method);
    if (status == NORMD_OK) {
        status = params_find(&d, method + 1, &params);
    }
    if (status == NORMD_OK) {
        status = fields_read(&d, &params);
    }
    if (status == NORMD_OK) {
        call->keys = call_keys(call, &params);
    }
    return status;
}
