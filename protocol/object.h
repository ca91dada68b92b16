// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PROTOCOL_OBJECT_H
#define NORMD_PROTOCOL_OBJECT_H

#include <msgpack.h>

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

/* Whether a str or bin inside the head has this text. */
bool normd_object_is_text(const msgpack_object *object, const char *text);

/* What an object is, for messages: `"a text"`, also of a bin where that is printable ASCII, `-3`,
   `a map`, `20 bytes`. Plain ASCII. Returns `text`. */
const char *normd_object_show(const msgpack_object *object, char *text, size_t size);
enum { NORMD_OBJECT_SHOW_BYTES = 96 };

#endif
