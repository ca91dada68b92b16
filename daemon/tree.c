// SPDX-License-Identifier: Apache-2.0
#include "daemon/tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/writer.h"

enum { PATH_BYTES = 128 };

void normd_tree_arrays_clear(normd_tree_arrays *arrays)
{
    for (size_t i = 0; i < arrays->count; i++) {
        normd_tensor_release(&arrays->tensor[i]);
    }
    free(arrays->tensor);
    free(arrays->view);
    *arrays = (normd_tree_arrays){.count = 0};
}

normd_attachments normd_tree_attachments(const normd_tree_arrays *arrays)
{
    return (normd_attachments){.array = arrays->view, .count = arrays->count};
}

static normd_status read_value(const normd_tree_reader *reader, const char *path,
    const msgpack_object *object, json_t **json, normd_error *error);

/* The bytes of a str or bin; false for anything else. */
static bool text_of(const msgpack_object *object, const char **text, size_t *length)
{
    if (object->type == MSGPACK_OBJECT_STR) {
        *text = object->via.str.ptr;
        *length = object->via.str.size;
        return true;
    }
    if (object->type == MSGPACK_OBJECT_BIN) {
        *text = object->via.bin.ptr;
        *length = object->via.bin.size;
        return true;
    }
    return false;
}

static normd_status read_array_map(const normd_tree_reader *reader, const char *path,
    const msgpack_object *object, json_t **json, normd_error *error)
{
    normd_wire_array wire;
    normd_status status = normd_wire_array_decode(object, reader->message, path, &wire, error);
    if (status != NORMD_OK) {
        return status;
    }
    normd_tree_arrays *arrays = reader->arrays;
    size_t count = arrays->count;
    normd_tensor *tensor = realloc(arrays->tensor, (count + 1) * sizeof *tensor);
    if (tensor == NULL) {
        return normd_error_no_memory(error);
    }
    arrays->tensor = tensor;
    normd_array *view = realloc(arrays->view, (count + 1) * sizeof *view);
    if (view == NULL) {
        return normd_error_no_memory(error);
    }
    arrays->view = view;
    status = reader->take(reader->context, &wire, &tensor[count], path, error);
    if (status != NORMD_OK) {
        return status;
    }
    view[count] = tensor[count].array;
    arrays->count++;
    *json = json_pack("{s:I}", "$array", (json_int_t)count);
    return *json != NULL ? NORMD_OK : normd_error_no_memory(error);
}

static normd_status read_text(
    const char *path, const char *text, size_t length, json_t **json, normd_error *error)
{
    if (memchr(text, '\0', length) == NULL) {
        *json = json_stringn(text, length);
        if (*json != NULL) {
            return NORMD_OK;
        }
    }
    return normd_error_set(
        error, NORMD_BAD_ARGUMENT, "%s: expected UTF-8 text without zeros, got other bytes", path);
}

/* Checks a key of `map` and copies it to `key`. A number, as of a class, is its digits. */
static normd_status read_key(const char *path, const msgpack_object *object, const json_t *map,
    char key[PATH_BYTES], normd_error *error)
{
    char digits[24];
    const char *text = digits;
    size_t length = 0;
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        length =
            (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)object->via.u64);
    } else if (!text_of(object, &text, &length)) {
        length = PATH_BYTES;
    }
    if (length >= PATH_BYTES || memchr(text, '\0', length) != NULL) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s: expected a map with short texts as keys, got another key", path);
    }
    memcpy(key, text, length);
    key[length] = '\0';
    if (key[0] == '$') {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "%s: expected no key that starts with \"$\"", path);
    }
    if (json_object_get(map, key) != NULL) {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "%s: the key \"%s\" stands twice", path, key);
    }
    return NORMD_OK;
}

static normd_status read_map(const normd_tree_reader *reader, const char *path,
    const msgpack_object_map *map, json_t *json, normd_error *error)
{
    normd_status status = NORMD_OK;
    for (uint32_t i = 0; status == NORMD_OK && i < map->size; i++) {
        char key[PATH_BYTES];
        char below[2 * PATH_BYTES];
        json_t *value = NULL;
        status = read_key(path, &map->ptr[i].key, json, key, error);
        if (status == NORMD_OK) {
            snprintf(below, sizeof below, "%.*s.%s", PATH_BYTES - 2, path, key);
            status = read_value(reader, below, &map->ptr[i].val, &value, error);
        }
        if (status == NORMD_OK && json_object_set_new(json, key, value) != 0) {
            status = normd_error_set(
                error, NORMD_BAD_ARGUMENT, "%s: expected keys in UTF-8, got other bytes", path);
        }
    }
    return status;
}

static normd_status read_list(const normd_tree_reader *reader, const char *path,
    const msgpack_object_array *list, json_t *json, normd_error *error)
{
    normd_status status = NORMD_OK;
    for (uint32_t i = 0; status == NORMD_OK && i < list->size; i++) {
        char below[2 * PATH_BYTES];
        json_t *value = NULL;
        snprintf(below, sizeof below, "%.*s[%u]", PATH_BYTES - 2, path, i);
        status = read_value(reader, below, &list->ptr[i], &value, error);
        if (status == NORMD_OK && json_array_append_new(json, value) != 0) {
            status = normd_error_no_memory(error);
        }
    }
    return status;
}

static normd_status read_number(
    const char *path, const msgpack_object *object, json_t **json, normd_error *error)
{
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        if (object->via.u64 > INT64_MAX) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "%s: expected an integer below 2^63, got %llu", path,
                (unsigned long long)object->via.u64);
        }
        *json = json_integer((json_int_t)object->via.u64);
    } else if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        *json = json_integer(object->via.i64);
    } else {
        if (!isfinite(object->via.f64)) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "%s: expected a finite number, got %f", path, object->via.f64);
        }
        *json = json_real(object->via.f64);
    }
    return *json != NULL ? NORMD_OK : normd_error_no_memory(error);
}

static normd_status read_container(const normd_tree_reader *reader, const char *path,
    const msgpack_object *object, json_t **json, normd_error *error)
{
    bool map = object->type == MSGPACK_OBJECT_MAP;
    if (map && normd_wire_array_is(object)) {
        return read_array_map(reader, path, object, json, error);
    }
    json_t *made = map ? json_object() : json_array();
    if (made == NULL) {
        return normd_error_no_memory(error);
    }
    normd_status status = map ? read_map(reader, path, &object->via.map, made, error)
                              : read_list(reader, path, &object->via.array, made, error);
    if (status != NORMD_OK) {
        json_decref(made);
        return status;
    }
    *json = made;
    return NORMD_OK;
}

/* The depth of the recursion is bounded by the protocol's limit. */
static normd_status read_value(const normd_tree_reader *reader, const char *path,
    const msgpack_object *object, json_t **json, normd_error *error)
{
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        *json = json_null();
        return NORMD_OK;
    case MSGPACK_OBJECT_BOOLEAN:
        *json = json_boolean(object->via.boolean);
        return NORMD_OK;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return read_number(path, object, json, error);
    case MSGPACK_OBJECT_STR:
        return read_text(path, object->via.str.ptr, object->via.str.size, json, error);
    case MSGPACK_OBJECT_BIN:
        return read_text(path, object->via.bin.ptr, object->via.bin.size, json, error);
    case MSGPACK_OBJECT_ARRAY:
    case MSGPACK_OBJECT_MAP:
        return read_container(reader, path, object, json, error);
    default:
        /* What stands for a large str or bin. */
        return normd_error_set(
            error, NORMD_TOO_LARGE, "%s: expected an option, got a very long text", path);
    }
}

normd_status normd_tree_read(const normd_tree_reader *reader, const char *name,
    const msgpack_object *object, json_t **json, normd_error *error)
{
    return read_value(reader, name, object, json, error);
}

void normd_tree_write_entries(msgpack_packer *packer, const json_t *json)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        normd_write_str(packer, key);
        normd_tree_write(packer, value);
    }
}

void normd_tree_write(msgpack_packer *packer, const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        msgpack_pack_map(packer, json_object_size(json));
        normd_tree_write_entries(packer, json);
        return;
    case JSON_ARRAY:
        msgpack_pack_array(packer, json_array_size(json));
        for (size_t i = 0; i < json_array_size(json); i++) {
            normd_tree_write(packer, json_array_get(json, i));
        }
        return;
    case JSON_STRING:
        msgpack_pack_str_with_body(packer, json_string_value(json), json_string_length(json));
        return;
    case JSON_INTEGER:
        msgpack_pack_int64(packer, json_integer_value(json));
        return;
    case JSON_REAL:
        msgpack_pack_double(packer, json_real_value(json));
        return;
    case JSON_TRUE:
        msgpack_pack_true(packer);
        return;
    case JSON_FALSE:
        msgpack_pack_false(packer);
        return;
    default:
        msgpack_pack_nil(packer);
        return;
    }
}
