// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/protocol/support/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/object.h"
#include "protocol/writer.h"
#include "tests/unit/protocol/support/scan.h"

static void *checked(void *made, const char *what)
{
    if (made == NULL) {
        fprintf(stderr, "%s: cannot read %s\n", NORMD_VECTORS_FILE, what);
        exit(1);
    }
    return made;
}

uint8_t *test_hex(const char *text, size_t *size)
{
    *size = strlen(text) / 2;
    uint8_t *bytes = checked(malloc(*size + 1), "bytes");
    for (size_t i = 0; i < *size; i++) {
        unsigned byte = 0;
        checked(sscanf(text + 2 * i, "%2x", &byte) == 1 ? bytes : NULL, "hexadecimal");
        bytes[i] = (uint8_t)byte;
    }
    return bytes;
}

static uint64_t limit_of(const json_t *limits, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(limits, key));
}

static test_vector vector_read(const char *line)
{
    test_vector vector = {.row = checked(json_loads(line, 0, NULL), line)};
    const char *hex = NULL;
    json_t *expect = NULL;
    json_t *limits = NULL;
    int unpacked = json_unpack(vector.row, "{s:s, s:s, s:s, s:o, s?o}", "name", &vector.name,
        "direction", &vector.direction, "hex", &hex, "expect", &expect, "limits", &limits);
    checked(unpacked == 0 ? vector.row : NULL, line);
    vector.bytes = test_hex(hex, &vector.size);
    vector.expect = expect;
    vector.limits = scan_no_limits();
    vector.has_limits = limits != NULL;
    if (vector.has_limits) {
        vector.limits = (normd_limits){
            .message_bytes = limit_of(limits, "message_bytes"),
            .head_bytes = limit_of(limits, "head_bytes"),
            .elements = (uint32_t)limit_of(limits, "elements"),
            .depth = (uint32_t)limit_of(limits, "depth"),
            .payload_bytes = (uint32_t)limit_of(limits, "payload_bytes"),
        };
    }
    return vector;
}

test_vector *test_vectors_read(size_t *count)
{
    FILE *file = checked(fopen(NORMD_VECTORS_FILE, "r"), "the file");
    test_vector *vectors = NULL;
    char *line = NULL;
    size_t capacity = 0;
    *count = 0;
    while (getline(&line, &capacity, file) > 0) {
        vectors = checked(realloc(vectors, (*count + 1) * sizeof *vectors), "a line");
        vectors[(*count)++] = vector_read(line);
    }
    free(line);
    fclose(file);
    return checked(vectors, "a line");
}

void test_vectors_free(test_vector *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(vectors[i].bytes);
        json_decref(vectors[i].row);
    }
    free(vectors);
}

bool test_vector_bytes_match(const json_t *expected, const void *data, size_t size)
{
    const char *hex = json_string_value(json_object_get(expected, "$bytes"));
    if (hex == NULL) {
        return false;
    }
    size_t expected_size;
    uint8_t *bytes = test_hex(hex, &expected_size);
    bool equal = expected_size == size && memcmp(bytes, data, size) == 0;
    free(bytes);
    return equal;
}

bool test_vector_array_matches(const json_t *expected, const normd_array *array)
{
    const json_t *parts = json_object_get(expected, "$array");
    const json_t *shape = json_object_get(parts, "shape");
    const char *type = json_string_value(json_object_get(parts, "type"));
    if (type == NULL || strcmp(type, normd_dtype_wire_name(array->dtype)) != 0 ||
        json_array_size(shape) != array->shape.rank) {
        return false;
    }
    for (uint32_t axis = 0; axis < array->shape.rank; axis++) {
        json_int_t extent = json_integer_value(json_array_get(shape, axis));
        if ((size_t)extent != array->shape.dim[axis]) {
            return false;
        }
    }
    size_t size;
    uint8_t *bytes = test_hex(json_string_value(json_object_get(parts, "data")), &size);
    bool equal = size == normd_array_bytes(array) && memcmp(bytes, array->data, size) == 0;
    free(bytes);
    return equal;
}

static bool map_matches(
    const json_t *expected, const msgpack_object_map *map, normd_message *message)
{
    if (map->size != json_object_size(expected)) {
        return false;
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)expected, key, value)
    {
        bool found = false;
        for (uint32_t i = 0; i < map->size && !found; i++) {
            found = normd_object_is_text(&map->ptr[i].key, key) &&
                    test_vector_matches(value, &map->ptr[i].val, message);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static bool container_matches(
    const json_t *expected, const msgpack_object *object, normd_message *message)
{
    normd_object_bytes bytes;
    if (json_object_get(expected, "$bytes") != NULL) {
        return normd_object_get_bytes(object, message, &bytes) &&
               test_vector_bytes_match(expected, bytes.data, bytes.size);
    }
    if (json_object_get(expected, "$array") != NULL) {
        normd_wire_array array;
        return normd_wire_array_decode(object, message, "array", &array, NULL) == NORMD_OK &&
               test_vector_array_matches(expected, &array.array);
    }
    if (json_is_object(expected)) {
        return object->type == MSGPACK_OBJECT_MAP &&
               map_matches(expected, &object->via.map, message);
    }
    bool equal =
        object->type == MSGPACK_OBJECT_ARRAY && object->via.array.size == json_array_size(expected);
    for (uint32_t i = 0; equal && i < object->via.array.size; i++) {
        equal =
            test_vector_matches(json_array_get(expected, i), &object->via.array.ptr[i], message);
    }
    return equal;
}

bool test_vector_matches(
    const json_t *expected, const msgpack_object *object, normd_message *message)
{
    normd_object_bytes bytes;
    switch (json_typeof(expected)) {
    case JSON_NULL:
        return object->type == MSGPACK_OBJECT_NIL;
    case JSON_TRUE:
    case JSON_FALSE:
        return object->type == MSGPACK_OBJECT_BOOLEAN &&
               object->via.boolean == json_is_true(expected);
    case JSON_INTEGER:
        /* The same bits in both integer types of the union. */
        return (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
                   object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) &&
               object->via.i64 == json_integer_value(expected);
    case JSON_REAL:
        return object->type == MSGPACK_OBJECT_FLOAT64 &&
               object->via.f64 == json_real_value(expected);
    case JSON_STRING:
        return normd_object_get_bytes(object, message, &bytes) &&
               bytes.size == json_string_length(expected) &&
               memcmp(bytes.data, json_string_value(expected), bytes.size) == 0;
    default:
        return container_matches(expected, object, message);
    }
}

static void pack_array(msgpack_packer *packer, const json_t *parts, normd_keys keys)
{
    size_t size;
    normd_array array = {
        .data = test_hex(json_string_value(json_object_get(parts, "data")), &size)};
    const char *type = json_string_value(json_object_get(parts, "type"));
    checked(normd_dtype_parse_wire(type, strlen(type), &array.dtype) ? array.data : NULL, "type");
    const json_t *shape = json_object_get(parts, "shape");
    array.shape.rank = (uint32_t)json_array_size(shape);
    for (uint32_t axis = 0; axis < array.shape.rank; axis++) {
        array.shape.dim[axis] = (size_t)json_integer_value(json_array_get(shape, axis));
    }
    normd_write_array(packer, &array, keys);
    free(array.data);
}

static void pack_object(msgpack_packer *packer, const json_t *value, normd_keys keys)
{
    const char *hex = json_string_value(json_object_get(value, "$bytes"));
    if (hex != NULL) {
        size_t size;
        uint8_t *bytes = test_hex(hex, &size);
        normd_write_bin(packer, bytes, size);
        free(bytes);
        return;
    }
    if (json_object_get(value, "$array") != NULL) {
        pack_array(packer, json_object_get(value, "$array"), keys);
        return;
    }
    msgpack_pack_map(packer, json_object_size(value));
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
    {
        normd_write_str(packer, key);
        test_vector_pack(packer, item, keys);
    }
}

void test_vector_pack(msgpack_packer *packer, const json_t *value, normd_keys keys)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        pack_object(packer, value, keys);
        return;
    case JSON_ARRAY:
        msgpack_pack_array(packer, json_array_size(value));
        for (size_t i = 0; i < json_array_size(value); i++) {
            test_vector_pack(packer, json_array_get(value, i), keys);
        }
        return;
    case JSON_STRING:
        normd_write_str(packer, json_string_value(value));
        return;
    case JSON_INTEGER:
        msgpack_pack_int64(packer, json_integer_value(value));
        return;
    case JSON_REAL:
        msgpack_pack_double(packer, json_real_value(value));
        return;
    case JSON_TRUE:
        msgpack_pack_true(packer);
        return;
    case JSON_FALSE:
        msgpack_pack_false(packer);
        return;
    case JSON_NULL:
        msgpack_pack_nil(packer);
        return;
    }
}
