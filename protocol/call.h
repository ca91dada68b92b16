// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PROTOCOL_CALL_H
#define NORMD_PROTOCOL_CALL_H

#include <msgpack.h>

#include "lib/base/array.h"
#include "protocol/assembler.h"
#include "protocol/methods.h"
#include "protocol/once.h"

/* How a request wrote the keys of its arrays, and so how they are answered. */
typedef enum normd_keys { NORMD_KEYS_STR, NORMD_KEYS_BIN } normd_keys;

/* An array inside a message. `array.data` points into the head or into a payload and may be
   unaligned when it points into the head. */
typedef struct normd_wire_array {
    normd_array array;
    normd_payload *payload; /* the payload that the data is, whole; NULL when inside the head */
    normd_keys keys;
} normd_wire_array;

/* One field's value, checked against its kind. */
typedef struct normd_value {
    bool present;
    union {
        struct {
            const char *text; /* not terminated */
            size_t length;
        } string;
        bool boolean;
        uint64_t uint;
        normd_wire_array array;
        struct {
            const void *data;
            size_t size;
            normd_payload *payload; /* or NULL */
        } bytes;
        const msgpack_object *tree; /* an ext in it stands for a payload, see assembler.h */
    } as;
} normd_value;

/* A decoded request. Points into the message, which must stay. When decoding failed:
     notification   drop it; a notification is never answered
     has_id         answer the error to `id`
     neither        the bytes are no MessagePack-RPC request at all; close */
typedef struct normd_call {
    bool has_id;
    bool notification; /* then there is no id, and no answer is wanted */
    uint32_t id;
    const normd_method *method;          /* or NULL */
    normd_once once;                     /* of a method that mutates */
    normd_value field[NORMD_MAX_FIELDS]; /* by index, as in methods.h; as many as the method has */
    normd_keys keys;                     /* of the arrays, or of `params` when there are none */
} normd_call;

/* Decodes and checks a whole request: envelope, method, every field present, known and of its kind,
   array headers. Uses `zone` for msgpack-c's objects; it is cleared first and must stay untouched
   while the call is used. BAD_REQUEST: no request; NO_SUCH_METHOD; BAD_ARGUMENT; TOO_LARGE: over a
   limit; BUSY: no memory for a payload. On an error see normd_call for what to do. */
normd_status normd_call_decode(
    normd_message *message, msgpack_zone *zone, normd_call *call, normd_error *error);

/* What a retry of a request repeats byte for byte, whatever its id: the bytes of the head that
   stand behind the id, which are the method and its params. What lies in payloads is not in it, but
   for their places. Empty for what is no request and no notification. */
void normd_call_body(const normd_message *message, const void **data, size_t *size);

/* Whether an object is meant as an array: a map with a key "nd". */
bool normd_wire_array_is(const msgpack_object *object);

/* An array's header, from a msgpack-numpy map; "nd": false is a scalar, of rank 0. Refuses kind
   "O", structured and big-endian types, shapes whose product is not the data's size. Axes of extent
   0 are let pass. `name` is the field's, for messages. */
normd_status normd_wire_array_decode(const msgpack_object *object, normd_message *message,
    const char *name, normd_wire_array *array, normd_error *error);

/* A decoded response, for clients. Points into the message. `error` is a string (str or bin) when
   `failed`, else nil. */
typedef struct normd_response {
    uint32_t id;
    bool failed;
    const msgpack_object *error;
    const msgpack_object *result;
} normd_response;
/* `zone` as above. BAD_REQUEST: no response; TOO_LARGE, BUSY: read past, `id` is set (0 when even
   that was not to be had). */
normd_status normd_response_decode(
    normd_message *message, msgpack_zone *zone, normd_response *response, normd_error *error);

#endif
