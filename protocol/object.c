// SPDX-License-Identifier: Apache-2.0
#include "protocol/object.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_CHARACTERS = 40 };

/* The scanner refuses every ext from the wire, so one in a head was written by the assembler. */
static normd_payload *object_payload(const msgpack_object *object, normd_message *message)
{
    const uint8_t *index = (const uint8_t *)object->via.ext.ptr;
    if (object->via.ext.size != 4) {
        return NULL;
    }
    uint32_t i = (uint32_t)index[0] << 24 | (uint32_t)index[1] << 16 | (uint32_t)index[2] << 8 |
                 (uint32_t)index[3];
    return i < message->payloads ? &message->payload[i] : NULL;
}

bool normd_object_get_bytes(
    const msgpack_object *object, normd_message *message, normd_object_bytes *bytes)
{
    normd_payload *payload = NULL;
    switch (object->type) {
    case MSGPACK_OBJECT_STR:
        *bytes = (normd_object_bytes){object->via.str.ptr, object->via.str.size, NULL};
        return true;
    case MSGPACK_OBJECT_BIN:
        *bytes = (normd_object_bytes){object->via.bin.ptr, object->via.bin.size, NULL};
        return true;
    case MSGPACK_OBJECT_EXT:
        payload = object_payload(object, message);
        if (payload != NULL) {
            *bytes = (normd_object_bytes){payload->data, payload->size, payload};
        }
        return payload != NULL;
    default:
        return false;
    }
}

bool normd_object_is_text(const msgpack_object *object, const char *text)
{
    return normd_object_is(object, text, strlen(text));
}

/* The text in quotes; what is not printable ASCII as \xNN; cut when it is long. */
static void show_text(const char *data, size_t length, char *text, size_t size)
{
    size_t shown = length < SHOWN_CHARACTERS ? length : SHOWN_CHARACTERS;
    size_t used = (size_t)snprintf(text, size, "\"");
    for (size_t i = 0; i < shown && used + sizeof "\\xff...\"" <= size; i++) {
        unsigned char byte = (unsigned char)data[i];
        bool plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
        used += (size_t)snprintf(text + used, size - used, plain ? "%c" : "\\x%02x", byte);
        shown = used + sizeof "\\xff...\"" <= size ? shown : i + 1;
    }
    snprintf(text + used, size - used, shown < length ? "...\"" : "\"");
}

/* Older MessagePack has one type for text and bytes: what reads as text was meant so. */
static bool is_printable(const char *data, size_t length)
{
    size_t i = 0;
    while (i < length && data[i] >= 0x20 && data[i] < 0x7f) {
        i++;
    }
    return i == length;
}

const char *normd_object_show(const msgpack_object *object, char *text, size_t size)
{
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        snprintf(text, size, "nil");
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        snprintf(text, size, object->via.boolean ? "true" : "false");
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        snprintf(text, size, "%" PRIu64, object->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        snprintf(text, size, "%" PRId64, object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        snprintf(text, size, "the float %g", object->via.f64);
        break;
    case MSGPACK_OBJECT_STR:
        show_text(object->via.str.ptr, object->via.str.size, text, size);
        break;
    case MSGPACK_OBJECT_BIN:
        if (is_printable(object->via.bin.ptr, object->via.bin.size)) {
            show_text(object->via.bin.ptr, object->via.bin.size, text, size);
        } else {
            snprintf(text, size, "%" PRIu32 " bytes", object->via.bin.size);
        }
        break;
    case MSGPACK_OBJECT_ARRAY:
        snprintf(text, size, "a list of %" PRIu32, object->via.array.size);
        break;
    case MSGPACK_OBJECT_MAP:
        snprintf(text, size, "a map");
        break;
    case MSGPACK_OBJECT_EXT:
        snprintf(text, size, "a long %s",
            object->via.ext.type == NORMD_PAYLOAD_EXT_STR ? "string" : "run of bytes");
        break;
    }
    return text;
}
