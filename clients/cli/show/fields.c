// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/show/fields.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/show/progress.h"
#include "clients/cli/show/terminal.h"

static void print_key(FILE *out, const msgpack_object *key)
{
    if (key->type == MSGPACK_OBJECT_STR) {
        normd_terminal_text(out, key->via.str.ptr, key->via.str.size);
    }
}

static void print_value(
    FILE *out, normd_client_answer *answer, const msgpack_object *object, bool nested);

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

/* The word that says what a map is, if it has one: an initial value's name, a loss' type. */
static const msgpack_object *head_of(const msgpack_object *map)
{
    const msgpack_object *head = normd_client_get(map, "type");
    head = head != NULL ? head : normd_client_get(map, "name");
    return head != NULL && head->type == MSGPACK_OBJECT_STR ? head : NULL;
}

/* "key=value key=value", or "adam(lr=0.001)" where the map says what it is; nulls are left out
   then. Inside another value always in brackets. */
static void print_map(
    FILE *out, normd_client_answer *answer, const msgpack_object *object, bool nested)
{
    if (print_array_header(out, answer, object)) {
        return;
    }
    const msgpack_object *head = head_of(object);
    const char *open = head != NULL ? "(" : nested ? "{" : "";
    const char *close = head != NULL ? ")" : nested ? "}" : "";
    size_t printed = 0;
    if (head != NULL) {
        normd_terminal_text(out, head->via.str.ptr, head->via.str.size);
    }
    for (uint32_t k = 0; k < object->via.map.size; k++) {
        const msgpack_object_kv *pair = &object->via.map.ptr[k];
        if (head != NULL && (&pair->val == head || pair->val.type == MSGPACK_OBJECT_NIL)) {
            continue;
        }
        fputs(printed++ == 0 ? open : " ", out);
        print_key(out, &pair->key);
        fputc('=', out);
        print_value(out, answer, &pair->val, true);
    }
    fputs(printed > 0 ? close : "", out);
}

static void print_list(FILE *out, normd_client_answer *answer, const msgpack_object *object)
{
    fputc('[', out);
    for (uint32_t k = 0; k < object->via.array.size; k++) {
        fputs(k > 0 ? ", " : "", out);
        print_value(out, answer, &object->via.array.ptr[k], true);
    }
    fputc(']', out);
}

static void print_value(
    FILE *out, normd_client_answer *answer, const msgpack_object *object, bool nested)
{
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
        fprintf(out, "%.7g", object->via.f64);
        break;
    case MSGPACK_OBJECT_STR:
        normd_terminal_text(out, object->via.str.ptr, object->via.str.size);
        break;
    case MSGPACK_OBJECT_ARRAY:
        print_list(out, answer, object);
        break;
    case MSGPACK_OBJECT_MAP:
        print_map(out, answer, object, nested);
        break;
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        normd_client_bytes(answer, object, &data, &size);
        fprintf(out, "%zu bytes", size);
        break;
    }
}

void normd_fields_value(FILE *out, normd_client_answer *answer, const msgpack_object *object)
{
    print_value(out, answer, object, false);
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

/* One option of a layer, on a new line when it does not fit on this one. */
static void print_option(FILE *out, normd_client_answer *answer, const msgpack_object_kv *pair,
    size_t indent, size_t *column)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) {
        return;
    }
    print_key(memory, &pair->key);
    fputc('=', memory);
    print_value(memory, answer, &pair->val, true);
    fclose(memory);
    if (*column > indent && *column + 1 + size > normd_terminal_columns(out)) {
        fprintf(out, "\n%*s", (int)indent, "");
        *column = indent;
    }
    *column += size + (*column > indent);
    fprintf(out, "%s%s", *column > indent + size ? " " : "", text);
    free(text);
}

/* A layer: its index, its type in a column, then its options. */
static void print_layer(
    FILE *out, normd_client_answer *answer, const msgpack_object *layer, size_t indent)
{
    enum { TYPE_WIDTH = 12 };
    const msgpack_object *type = normd_client_get(layer, "type");
    if (type != NULL && type->type == MSGPACK_OBJECT_STR) {
        size_t length = type->via.str.size;
        normd_terminal_text(out, type->via.str.ptr, length);
        if (layer->via.map.size > 1) {
            fprintf(out, "%*s", length < TYPE_WIDTH ? (int)(TYPE_WIDTH - length) : 1, "");
        }
    }
    size_t column = indent + TYPE_WIDTH;
    for (uint32_t k = 0; layer->type == MSGPACK_OBJECT_MAP && k < layer->via.map.size; k++) {
        if (&layer->via.map.ptr[k].val != type) {
            print_option(out, answer, &layer->via.map.ptr[k], indent + TYPE_WIDTH, &column);
        }
    }
    fputc('\n', out);
}

/* Seconds, which people read as "5 min 03 s". */
static bool is_duration(const msgpack_object_kv *pair)
{
    return pair->val.type == MSGPACK_OBJECT_FLOAT64 && key_length(&pair->key) == 6 &&
           memcmp(pair->key.via.str.ptr, "uptime", 6) == 0;
}

/* A value after its key, broken between words where the line is full. */
static void print_wrapped(
    FILE *out, normd_client_answer *answer, const msgpack_object_kv *pair, size_t indent)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) {
        return;
    }
    if (is_duration(pair)) {
        char time[NORMD_PROGRESS_TIME_BYTES];
        fputs(normd_progress_time(pair->val.via.f64, time), memory);
    } else {
        normd_fields_value(memory, answer, &pair->val);
    }
    fclose(memory);
    size_t columns = normd_terminal_columns(out);
    size_t column = indent;
    const char *separator = "";
    for (const char *word = text; *word != '\0';) {
        size_t length = strcspn(word, " ");
        if (column > indent && column + 1 + length > columns) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
            separator = "";
        }
        fprintf(out, "%s%.*s", separator, (int)length, word);
        column += strlen(separator) + length;
        separator = " ";
        word += length + (word[length] == ' ');
    }
    fputc('\n', out);
    free(text);
}

static void print_numbered(
    FILE *out, normd_client_answer *answer, const msgpack_object *list, size_t indent)
{
    for (uint32_t k = 0; k < list->via.array.size; k++) {
        fprintf(out, "%*s%2u  ", k > 0 ? (int)indent : 0, "", k);
        print_layer(out, answer, &list->via.array.ptr[k], indent + 4);
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
            print_numbered(out, answer, &pair->val, width + 2);
        } else {
            print_wrapped(out, answer, pair, width + 2);
        }
    }
}
