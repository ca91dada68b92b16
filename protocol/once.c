// SPDX-License-Identifier: Apache-2.0
#include "protocol/once.h"

#include <inttypes.h>

#include "protocol/object.h"
#include "protocol/utf8.h"

static normd_status take_client(
    normd_once *once, const msgpack_object *object, normd_message *message, normd_error *error)
{
    normd_object_bytes bytes;
    if (!normd_object_get_bytes(object, message, &bytes) || bytes.size == 0 ||
        bytes.size > NORMD_ONCE_CLIENT_BYTES || !normd_utf8_is_plain(bytes.data, bytes.size)) {
        char shown[NORMD_OBJECT_SHOW_BYTES];
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "client: expected UTF-8 text of 1 to %d bytes without control characters, got %s",
            NORMD_ONCE_CLIENT_BYTES, normd_object_show(object, shown, sizeof shown));
    }
    once->client = bytes.data;
    once->client_length = bytes.size;
    return NORMD_OK;
}

static normd_status take_seq(normd_once *once, const msgpack_object *object, normd_error *error)
{
    if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER || object->via.u64 == 0 ||
        object->via.u64 > NORMD_ONCE_SEQ_MOST) {
        char shown[NORMD_OBJECT_SHOW_BYTES];
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "seq: expected an integer from 1 to %" PRIu64 ", got %s", NORMD_ONCE_SEQ_MOST,
            normd_object_show(object, shown, sizeof shown));
    }
    once->seq = object->via.u64;
    return NORMD_OK;
}

normd_status normd_once_take(normd_once_reading *reading, const msgpack_object_kv *pair,
    normd_message *message, bool *taken, normd_error *error)
{
    bool is_client = normd_object_is_text(&pair->key, "client");
    *taken = is_client || normd_object_is_text(&pair->key, "seq");
    if (!*taken) {
        return NORMD_OK;
    }
    bool *seen = is_client ? &reading->seen_client : &reading->seen_seq;
    if (*seen) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s: expected the field once, got it twice", is_client ? "client" : "seq");
    }
    *seen = true;
    if (pair->val.type == MSGPACK_OBJECT_NIL) {
        return NORMD_OK;
    }
    return is_client ? take_client(&reading->once, &pair->val, message, error)
                     : take_seq(&reading->once, &pair->val, error);
}

normd_status normd_once_finish(normd_once_reading *reading, normd_once *once, normd_error *error)
{
    bool client = reading->once.client != NULL;
    bool seq = reading->once.seq != 0;
    if (client && !seq) {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "seq: expected with client an integer from 1, got nothing");
    }
    if (seq && !client) {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "client: expected with seq the client's name, got nothing");
    }
    *once = reading->once;
    once->present = client;
    return NORMD_OK;
}
