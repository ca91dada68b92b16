// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PROTOCOL_OBJECT_H
#define NORMD_PROTOCOL_OBJECT_H

#include <msgpack.h>
#include <string.h>

#include "protocol/assembler.h"

/* Bytes inside a message: in its head, or a payload. */
typedef struct normd_object_bytes {
    const void *data;
    size_t size;
    normd_payload *payload; /* the payload that this is, whole; NULL when inside the head */
} normd_object_bytes;

/* The contents of a str or bin, whichever it is and wherever its bytes went; false for all else.
   Clients differ in which of the two they write, so both are taken everywhere. */
bool normd_object_get_bytes(
    const msgpack_object *object, normd_message *message, normd_object_bytes *bytes);

/* Whether a str or bin inside the head has this text, of `length` bytes. */
static inline bool normd_object_is(const msgpack_object *object, const char *text, size_t length)
{
    if (object->type == MSGPACK_OBJECT_STR) {
        return object->via.str.size == length && memcmp(object->via.str.ptr, text, length) == 0;
    }
    return object->type == MSGPACK_OBJECT_BIN && object->via.bin.size == length &&
           memcmp(object->via.bin.ptr, text, length) == 0;
}

/* The same for a terminated text. */
bool normd_object_is_text(const msgpack_object *object, const char *text);

/* What an object is, for messages: `"a text"`, also of a bin where that is printable ASCII, `-3`,
   `a map`, `20 bytes`. Plain ASCII. Returns `text`. */
const char *normd_object_show(const msgpack_object *object, char *text, size_t size);
enum { NORMD_OBJECT_SHOW_BYTES = 96 };

#endif
