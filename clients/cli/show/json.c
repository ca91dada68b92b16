// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/show/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "clients/cli/common/number.h"
#include "clients/cli/data/element.h"

typedef struct printer {
    FILE *out;
    normd_client_answer *answer;
} printer;

static void print_number(FILE *out, double value, bool single)
{
    char text[NORMD_NUMBER_TEXT_BYTES];
    fputs(isfinite(value) ? normd_number_format(value, single, text) : "null", out);
}

static void print_text(FILE *out, const char *text, size_t length)
{
    fputc('"', out);
    for (size_t k = 0; k < length; k++) {
        unsigned char c = (unsigned char)text[k];
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        } else if (c == '\n') {
            fputs("\\n", out);
        } else if (c < 0x20 || c == 0x7f) {
            fprintf(out, "\\u%04x", c);
        } else {
            fputc(c, out);
        }
    }
    fputc('"', out);
}

static void print_elements(FILE *out, const normd_array *array, uint32_t axis, size_t *index)
{
    if (axis == array->shape.rank) {
        double value = normd_element_load(array, *index);
        if (array->dtype == NORMD_BOOL) {
            fputs(value != 0.0 ? "true" : "false", out);
        } else if (array->dtype == NORMD_I64) {
            fprintf(out, "%" PRId64, ((const int64_t *)array->data)[*index]);
        } else if (array->dtype == NORMD_U64) {
            fprintf(out, "%" PRIu64, ((const uint64_t *)array->data)[*index]);
        } else {
            print_number(out, value, array->dtype != NORMD_F64);
        }
        (*index)++;
        return;
    }
    fputc('[', out);
    for (size_t k = 0; k < array->shape.dim[axis]; k++) {
        fputs(k > 0 ? ", " : "", out);
        print_elements(out, array, axis + 1, index);
    }
    fputc(']', out);
}

static void print_value(const printer *p, const msgpack_object *object, unsigned depth);

static void print_map(const printer *p, const msgpack_object *object, unsigned depth)
{
    normd_array array;
    if (normd_client_is_array(object) &&
        normd_client_array(p->answer, object, "array", &array, NULL) == NORMD_CLIENT_OK) {
        size_t index = 0;
        print_elements(p->out, &array, 0, &index);
        return;
    }
    uint32_t size = object->via.map.size;
    fputc('{', p->out);
    for (uint32_t k = 0; k < size; k++) {
        const msgpack_object *key = &object->via.map.ptr[k].key;
        fprintf(p->out, "%s\n%*s", k > 0 ? "," : "", (int)(2 * (depth + 1)), "");
        if (key->type == MSGPACK_OBJECT_STR) {
            print_text(p->out, key->via.str.ptr, key->via.str.size);
        } else {
            fprintf(p->out, "\"%u\"", k);
        }
        fputs(": ", p->out);
        print_value(p, &object->via.map.ptr[k].val, depth + 1);
    }
    if (size > 0) {
        fprintf(p->out, "\n%*s", (int)(2 * depth), "");
    }
    fputc('}', p->out);
}

static void print_list(const printer *p, const msgpack_object *object, unsigned depth)
{
    fputc('[', p->out);
    for (uint32_t k = 0; k < object->via.array.size; k++) {
        const msgpack_object *value = &object->via.array.ptr[k];
        bool apart = value->type == MSGPACK_OBJECT_MAP;
        if (apart) {
            fprintf(p->out, "%s\n%*s", k > 0 ? "," : "", (int)(2 * (depth + 1)), "");
        } else {
            fputs(k > 0 ? ", " : "", p->out);
        }
        print_value(p, value, depth + 1);
        if (apart && k + 1 == object->via.array.size) {
            fprintf(p->out, "\n%*s", (int)(2 * depth), "");
        }
    }
    fputc(']', p->out);
}

/* The depth of an answer is bounded by the frame scanner, and so is this recursion. */
static void print_value(const printer *p, const msgpack_object *object, unsigned depth)
{
    const void *data;
    size_t size;
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        fputs("null", p->out);
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        fputs(object->via.boolean ? "true" : "false", p->out);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        fprintf(p->out, "%" PRIu64, object->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        fprintf(p->out, "%" PRId64, object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        print_number(p->out, object->via.f64, object->type == MSGPACK_OBJECT_FLOAT32);
        break;
    case MSGPACK_OBJECT_STR:
        print_text(p->out, object->via.str.ptr, object->via.str.size);
        break;
    case MSGPACK_OBJECT_ARRAY:
        print_list(p, object, depth);
        break;
    case MSGPACK_OBJECT_MAP:
        print_map(p, object, depth);
        break;
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        size = 0;
        normd_client_bytes(p->answer, object, &data, &size);
        fprintf(p->out, "{\"bytes\": %zu}", size);
        break;
    }
}

void normd_json_print(FILE *out, normd_client_answer *answer, const msgpack_object *object)
{
    const printer p = {.out = out, .answer = answer};
    print_value(&p, object, 0);
    fputc('\n', out);
}
