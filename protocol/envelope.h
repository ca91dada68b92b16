// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PROTOCOL_ENVELOPE_H
#define NORMD_PROTOCOL_ENVELOPE_H

#include <msgpack.h>

#include "lib/base/error.h"
#include "protocol/assembler.h"

/* MessagePack-RPC's messages, by their first element. */
typedef enum normd_envelope_type {
    NORMD_ENVELOPE_REQUEST = 0,
    NORMD_ENVELOPE_RESPONSE = 1,
    NORMD_ENVELOPE_NOTIFICATION = 2,
    NORMD_ENVELOPE_NONE, /* something else */
} normd_envelope_type;

/* The start of a message, which is all that can be told of one that was read past. */
typedef struct normd_envelope {
    normd_envelope_type type;
    bool has_id; /* of a request or response: an unsigned integer of 32 bits */
    uint32_t id;
    size_t body; /* where the method begins, in the head; 0: neither request with an id nor
                    notification */
} normd_envelope;

normd_envelope normd_envelope_read(const normd_message *message);

/* The message as msgpack-c objects in `zone`, which is cleared first. TOO_LARGE or BUSY when it was
   read past, BAD_REQUEST when it is not MessagePack (which no message of an assembler is), INTERNAL
   when out of memory. */
normd_status normd_envelope_unpack(
    const normd_message *message, msgpack_zone *zone, msgpack_object *root, normd_error *error);

#endif
