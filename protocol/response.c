// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "protocol/call.h"
#include "protocol/envelope.h"

normd_status normd_response_decode(
    normd_message *message, msgpack_zone *zone, normd_response *response, normd_error *error)
{
    memset(response, 0, sizeof *response);
    normd_envelope envelope = normd_envelope_read(message);
    if (envelope.type != NORMD_ENVELOPE_RESPONSE || !envelope.has_id) {
        return normd_error_set(error, NORMD_BAD_REQUEST,
            "message: expected a MessagePack-RPC response [1, id, error, result]");
    }
    response->id = envelope.id;
    msgpack_object root;
    normd_status status = normd_envelope_unpack(message, zone, &root, error);
    if (status != NORMD_OK) {
        return status;
    }
    if (root.via.array.size != 4) {
        return normd_error_set(error, NORMD_BAD_REQUEST,
            "message: expected [1, id, error, result], got a list of %u", root.via.array.size);
    }
    response->error = &root.via.array.ptr[2];
    response->result = &root.via.array.ptr[3];
    response->failed = response->error->type != MSGPACK_OBJECT_NIL;
    if (response->failed && response->error->type != MSGPACK_OBJECT_STR &&
        response->error->type != MSGPACK_OBJECT_BIN) {
        return normd_error_set(
            error, NORMD_BAD_REQUEST, "error: expected nil or a string, got something else");
    }
    return NORMD_OK;
}
