// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/show/fields.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "clients/cli/common/number.h"

static void print_text(FILE *out, const char *text, size_t length)
{
    for (size_t k = 0; k < length; k++) {
        unsigned char c = (unsigned char)text[k];
        fputc(c < 0x20 || c == 0x7f ? '?' : c, out);
    }
}

static void print_key(FILE *out, const msgpack_object *key)
{
    if (key->type == MSGPACK_OBJECT_STR) {
        print_text(out, key->via.str.ptr, key->via.str.size);
    }
}

static bool print_array_header(FILE *out, normd_client_answer *answer, const msgpack_object *object)
{
    normd_array array;
    char shape[NORMD_SHAPE_TEXT_BYTES];
    if (!normd_client_is_array(object) ||
        normd_client_array(answer, object, "array", &array, NULL) != NORMD_CLIENT_OK) {
        return false;
    }
    fprintf(out, "%s%s", normd_dtype_title(array.dtype),
        normd_shape_format(&array.shape, shape, sizeof shape));
    return true;
}

/* "key=value key=value"; in brackets when it stands inside another value. */
static void print_map(
    FILE *out, normd_client_answer *answer, const msgpack_object *object, bool nested)
{
    if (print_array_header(out, answer, object)) {
        return;
    }
    fputs(nested ? "{" : "", out);
    for (uint32_t k = 0; k < object->via.map.size; k++) {
        const msgpack_object_kv *pair = &object->via.map.ptr[k];
        fputs(k > 0 ? " " : "", out);
        print_key(out, &pair->key);
        fputc('=', out);
        if (pair->val.type == MSGPACK_OBJECT_MAP) {
            print_map(out, answer, &pair->val, true);
        } else {
            normd_fields_value(out, answer, &pair->val);
        }
    }
    fputs(nested ? "}" : "", out);
}

static void print_list(FILE *out, normd_client_answer *answer, const msgpack_object *object)
{
    fputc('[', out);
    for (uint32_t k = 0; k < object->via.array.size; k++) {
        fputs(k > 0 ? ", " : "", out);
        normd_fields_value(out, answer, &object->via.array.ptr[k]);
    }
    fputc(']', out);
}

void normd_fields_value(FILE *out, normd_client_answer *answer, const msgpack_object *object)
{
    char text[NORMD_NUMBER_TEXT_BYTES];
    const void *data = NULL;
    size_t size = 0;
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        fputs("none", out);
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        fputs(object->via.boolean ? "true" : "false", out);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        fprintf(out, "%" PRIu64, object->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        fprintf(out, "%" PRId64, object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        fputs(normd_number_format(object->via.f64, object->type == MSGPACK_OBJECT_FLOAT32, text),
            out);
        break;
    case MSGPACK_OBJECT_STR:
        print_text(out, object->via.str.ptr, object->via.str.size);
        break;
    case MSGPACK_OBJECT_ARRAY:
        print_list(out, answer, object);
        break;
    case MSGPACK_OBJECT_MAP:
        print_map(out, answer, object, false);
        break;
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        normd_client_bytes(answer, object, &data, &size);
        fprintf(out, "%zu bytes", size);
        break;
    }
}

static size_t key_length(const msgpack_object *key)
{
    return key->type == MSGPACK_OBJECT_STR ? key->via.str.size : 0;
}

static bool is_list_of_maps(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_ARRAY && object->via.array.size > 0 &&
           object->via.array.ptr[0].type == MSGPACK_OBJECT_MAP;
}

/* A layer: its type in a column, then its options. */
static void print_numbered(
    FILE *out, normd_client_answer *answer, const msgpack_object *list, int indent)
{
    for (uint32_t k = 0; k < list->via.array.size; k++) {
        const msgpack_object *item = &list->via.array.ptr[k];
        const msgpack_object *type = normd_client_get(item, "type");
        fprintf(out, "%*s%2u  ", k > 0 ? indent : 0, "", k);
        if (type != NULL && type->type == MSGPACK_OBJECT_STR) {
            print_text(out, type->via.str.ptr, type->via.str.size);
            fprintf(out, "%*s", type->via.str.size < 12 ? (int)(12 - type->via.str.size) : 1, "");
        }
        bool first = true;
        for (uint32_t j = 0; item->type == MSGPACK_OBJECT_MAP && j < item->via.map.size; j++) {
            const msgpack_object_kv *pair = &item->via.map.ptr[j];
            if (&pair->val == type) {
                continue;
            }
            fputs(first ? "" : " ", out);
            print_key(out, &pair->key);
            fputc('=', out);
            normd_fields_value(out, answer, &pair->val);
            first = false;
        }
        fputc('\n', out);
    }
}

void normd_fields_print(FILE *out, normd_client_answer *answer, const msgpack_object *map)
{
    if (map->type != MSGPACK_OBJECT_MAP) {
        normd_fields_value(out, answer, map);
        fputc('\n', out);
        return;
    }
    size_t width = 0;
    for (uint32_t k = 0; k < map->via.map.size; k++) {
        size_t length = key_length(&map->via.map.ptr[k].key);
        width = length > width ? length : width;
    }
    for (uint32_t k = 0; k < map->via.map.size; k++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[k];
        print_key(out, &pair->key);
        fprintf(out, "%*s", (int)(width - key_length(&pair->key) + 2), "");
        if (is_list_of_maps(&pair->val)) {
            print_numbered(out, answer, &pair->val, (int)width + 2);
        } else {
            normd_fields_value(out, answer, &pair->val);
            fputc('\n', out);
        }
    }
}
