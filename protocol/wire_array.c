// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>

#include "protocol/call.h"
#include "protocol/object.h"

/* The keys of an array map, as msgpack-numpy names them. */
typedef enum array_key { KEY_ND, KEY_TYPE, KEY_KIND, KEY_SHAPE, KEY_DATA, KEY_COUNT } array_key;

static const char *const key_names[KEY_COUNT] = {"nd", "type", "kind", "shape", "data"};
static const size_t key_lengths[KEY_COUNT] = {2, 4, 4, 5, 4};

/* An array map taken apart; NULL for keys that are not there. */
typedef struct array_parts {
    const char *name; /* of the field */
    normd_message *message;
    const msgpack_object *value[KEY_COUNT];
} array_parts;

bool normd_wire_array_is(const msgpack_object *object)
{
    if (object->type != MSGPACK_OBJECT_MAP) {
        return false;
    }
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        if (normd_object_is_text(&object->via.map.ptr[i].key, key_names[KEY_ND])) {
            return true;
        }
    }
    return false;
}

static bool array_key_is(const msgpack_object *key, uint32_t i)
{
    return normd_object_is(key, key_names[i], key_lengths[i]);
}

/* Which key this is; KEY_COUNT when none. msgpack-numpy writes them in their order, so the one at
   `guess` is looked at first. */
static uint32_t array_key_find(const msgpack_object *key, uint32_t guess)
{
    if (guess < KEY_COUNT && array_key_is(key, guess)) {
        return guess;
    }
    uint32_t i = 0;
    while (i < KEY_COUNT && !array_key_is(key, i)) {
        i++;
    }
    return i;
}

static normd_status array_take_apart(
    const msgpack_object *object, array_parts *parts, normd_error *error)
{
    char shown[NORMD_OBJECT_SHOW_BYTES];
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object_kv *pair = &object->via.map.ptr[i];
        uint32_t key = array_key_find(&pair->key, i);
        if (key == KEY_COUNT) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "%s: expected an array with the keys nd, type, kind, shape, data, got the key %s",
                parts->name, normd_object_show(&pair->key, shown, sizeof shown));
        }
        if (parts->value[key] != NULL) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "%s.%s: expected the key once, got it twice", parts->name, key_names[key]);
        }
        parts->value[key] = &pair->val;
    }
    return NORMD_OK;
}

static normd_status array_missing(const array_parts *parts, array_key key, normd_error *error)
{
    return normd_error_set(error, NORMD_BAD_ARGUMENT, "%s.%s: expected a value, got nothing",
        parts->name, key_names[key]);
}

/* `kind` is empty for plain numbers (older writers leave it out), "O" for pickled objects, "V" for
   records. */
static normd_status array_check_kind(const array_parts *parts, normd_error *error)
{
    const msgpack_object *kind = parts->value[KEY_KIND];
    if (kind == NULL || normd_object_is_text(kind, "")) {
        return NORMD_OK;
    }
    if (normd_object_is_text(kind, "O")) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s.kind: expected plain numbers, got pickled objects (\"O\"), which are never read",
            parts->name);
    }
    char shown[NORMD_OBJECT_SHOW_BYTES];
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "%s.kind: expected an empty string (plain numbers), got %s", parts->name,
        normd_object_show(kind, shown, sizeof shown));
}

static normd_status array_read_type(
    const array_parts *parts, normd_dtype *dtype, normd_error *error)
{
    const msgpack_object *type = parts->value[KEY_TYPE];
    if (type == NULL) {
        return array_missing(parts, KEY_TYPE, error);
    }
    if (type->type == MSGPACK_OBJECT_ARRAY) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s.type: expected one element type, got a structured type", parts->name);
    }
    normd_object_bytes text;
    if (normd_object_get_bytes(type, parts->message, &text)) {
        const char *word = text.data;
        if (normd_dtype_parse_wire(word, text.size, dtype)) {
            return NORMD_OK;
        }
        if (text.size > 1 && (word[1] == 'O' || word[0] == 'O')) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "%s.type: expected numbers, got pickled objects (\"O\"), which are never read",
                parts->name);
        }
        if (text.size > 0 && word[0] == '>') {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "%s.type: expected little-endian numbers (\"<...\"), got big-endian ones",
                parts->name);
        }
    }
    char shown[NORMD_OBJECT_SHOW_BYTES];
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "%s.type: expected <f4, <f8, <f2, |b1, or an integer type (|i1 to <u8), got %s",
        parts->name, normd_object_show(type, shown, sizeof shown));
}

static normd_status array_read_shape(
    const array_parts *parts, normd_shape *shape, normd_error *error)
{
    const msgpack_object *list = parts->value[KEY_SHAPE];
    char shown[NORMD_OBJECT_SHOW_BYTES];
    if (list == NULL) {
        return array_missing(parts, KEY_SHAPE, error);
    }
    if (list->type != MSGPACK_OBJECT_ARRAY) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT, "%s.shape: expected a list, got %s",
            parts->name, normd_object_show(list, shown, sizeof shown));
    }
    if (list->via.array.size > NORMD_MAX_RANK) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s.shape: expected at most %d axes, got %" PRIu32, parts->name, NORMD_MAX_RANK,
            list->via.array.size);
    }
    shape->rank = list->via.array.size;
    for (uint32_t axis = 0; axis < shape->rank; axis++) {
        const msgpack_object *extent = &list->via.array.ptr[axis];
        if (extent->type != MSGPACK_OBJECT_POSITIVE_INTEGER || extent->via.u64 > SIZE_MAX) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "%s.shape[%" PRIu32 "]: expected a non-negative integer, got %s", parts->name, axis,
                normd_object_show(extent, shown, sizeof shown));
        }
        shape->dim[axis] = (size_t)extent->via.u64;
    }
    return NORMD_OK;
}

/* Whether this is an array proper ("nd": true) or a scalar. */
static normd_status array_read_nd(const array_parts *parts, bool *nd, normd_error *error)
{
    const msgpack_object *value = parts->value[KEY_ND];
    if (value == NULL) {
        return array_missing(parts, KEY_ND, error);
    }
    if (value->type != MSGPACK_OBJECT_BOOLEAN) {
        char shown[NORMD_OBJECT_SHOW_BYTES];
        return normd_error_set(error, NORMD_BAD_ARGUMENT, "%s.nd: expected true or false, got %s",
            parts->name, normd_object_show(value, shown, sizeof shown));
    }
    *nd = value->via.boolean;
    if (!*nd && parts->value[KEY_SHAPE] != NULL) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s.shape: expected none of a scalar (nd is false), got one", parts->name);
    }
    return NORMD_OK;
}

static normd_status array_read_data(
    const array_parts *parts, normd_wire_array *array, normd_error *error)
{
    const msgpack_object *value = parts->value[KEY_DATA];
    if (value == NULL) {
        return array_missing(parts, KEY_DATA, error);
    }
    normd_object_bytes data;
    if (!normd_object_get_bytes(value, parts->message, &data)) {
        char shown[NORMD_OBJECT_SHOW_BYTES];
        return normd_error_set(error, NORMD_BAD_ARGUMENT, "%s.data: expected bytes, got %s",
            parts->name, normd_object_show(value, shown, sizeof shown));
    }
    char text[NORMD_SHAPE_TEXT_BYTES];
    const normd_shape *shape = &array->array.shape;
    size_t elements;
    if (!normd_shape_elements(shape, &elements)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s.shape: expected a size that fits in memory, got %s", parts->name,
            normd_shape_format(shape, text, sizeof text));
    }
    size_t expected = elements * normd_dtype_size(array->array.dtype);
    if (data.size != expected) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s.data: expected %zu bytes (%s of shape %s), got %zu", parts->name, expected,
            normd_dtype_wire_name(array->array.dtype), normd_shape_format(shape, text, sizeof text),
            data.size);
    }
    /* The view is for reading unless the bytes are a payload, which is the taker's own. */
    memcpy(&array->array.data, &data.data, sizeof data.data);
    array->payload = data.payload;
    return NORMD_OK;
}

normd_status normd_wire_array_decode(const msgpack_object *object, normd_message *message,
    const char *name, normd_wire_array *array, normd_error *error)
{
    memset(array, 0, sizeof *array);
    if (object->type != MSGPACK_OBJECT_MAP || object->via.map.size == 0) {
        char shown[NORMD_OBJECT_SHOW_BYTES];
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s: expected an array (a map of nd, type, kind, shape, data), got %s", name,
            normd_object_show(object, shown, sizeof shown));
    }
    array_parts parts = {.name = name, .message = message};
    bool nd = true;
    normd_status status = array_take_apart(object, &parts, error);
    if (status == NORMD_OK) {
        status = array_read_nd(&parts, &nd, error);
    }
    if (status == NORMD_OK) {
        status = array_check_kind(&parts, error);
    }
    if (status == NORMD_OK) {
        status = array_read_type(&parts, &array->array.dtype, error);
    }
    if (status == NORMD_OK && nd) {
        status = array_read_shape(&parts, &array->array.shape, error);
    }
    if (status == NORMD_OK) {
        status = array_read_data(&parts, array, error);
    }
    const msgpack_object *first = &object->via.map.ptr[0].key;
    array->keys = first->type == MSGPACK_OBJECT_BIN ? NORMD_KEYS_BIN : NORMD_KEYS_STR;
    return status;
}
