// SPDX-License-Identifier: Apache-2.0
#include "protocol/envelope.h"

#include <inttypes.h>

/* Takes `count` big-endian bytes from what is left of the head's start. */
static bool take_uint(const uint8_t **at, const uint8_t *end, size_t count, uint64_t *value)
{
    if ((size_t)(end - *at) < count) {
        return false;
    }
    *value = 0;
    for (size_t i = 0; i < count; i++) {
        *value = *value << 8 | (*at)[i];
    }
    *at += count;
    return true;
}

/* An unsigned integer in any of its forms. */
static bool take_integer(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    uint64_t lead;
    if (!take_uint(at, end, 1, &lead)) {
        return false;
    }
    if (lead < 0x80) {
        *value = lead;
        return true;
    }
    if (lead < 0xcc || lead > 0xcf) {
        return false;
    }
    return take_uint(at, end, (size_t)1 << (lead - 0xcc), value);
}

static bool take_array(const uint8_t **at, const uint8_t *end, uint64_t *count)
{
    uint64_t lead;
    if (!take_uint(at, end, 1, &lead)) {
        return false;
    }
    if (lead >= 0x90 && lead <= 0x9f) {
        *count = lead & 0x0f;
        return true;
    }
    if (lead != 0xdc && lead != 0xdd) {
        return false;
    }
    return take_uint(at, end, lead == 0xdc ? 2 : 4, count);
}

normd_envelope normd_envelope_read(const normd_message *message)
{
    normd_envelope envelope = {.type = NORMD_ENVELOPE_NONE};
    const uint8_t *at = message->head;
    const uint8_t *end = at + message->head_size;
    uint64_t count;
    uint64_t type;
    uint64_t id;
    if (!take_array(&at, end, &count) || count == 0 || !take_integer(&at, end, &type) ||
        type > NORMD_ENVELOPE_NOTIFICATION) {
        return envelope;
    }
    envelope.type = (normd_envelope_type)type;
    if (envelope.type != NORMD_ENVELOPE_NOTIFICATION && count > 1 && take_integer(&at, end, &id) &&
        id <= UINT32_MAX) {
        envelope.has_id = true;
        envelope.id = (uint32_t)id;
    }
    bool called = envelope.type == NORMD_ENVELOPE_NOTIFICATION ||
                  (envelope.type == NORMD_ENVELOPE_REQUEST && envelope.has_id);
    envelope.body = called ? (size_t)(at - message->head) : 0;
    return envelope;
}

static normd_status envelope_too_large(const normd_message *message, normd_error *error)
{
    const normd_limits *limits = message->limits;
    const struct {
        uint64_t most;
        const char *what;
    } rows[] = {
        [NORMD_FRAME_WITHIN] = {0, ""},
        [NORMD_FRAME_MESSAGE_BYTES] = {limits->message_bytes, "bytes (message_bytes)"},
        [NORMD_FRAME_HEAD_BYTES] = {limits->head_bytes,
            "bytes besides large strings and binaries (head_bytes)"},
        [NORMD_FRAME_ELEMENTS] = {limits->elements, "values in all (elements)"},
        [NORMD_FRAME_DEPTH] = {limits->depth, "levels of arrays and maps (depth)"},
        [NORMD_FRAME_PAYLOADS] = {NORMD_MAX_PAYLOADS, "large strings and binaries"},
    };
    return normd_error_set(error, NORMD_TOO_LARGE,
        "message: expected at most %" PRIu64 " %s, got more (%" PRIu64 " bytes in all)",
        rows[message->excess].most, rows[message->excess].what, message->bytes);
}

normd_status normd_envelope_unpack(
    const normd_message *message, msgpack_zone *zone, msgpack_object *root, normd_error *error)
{
    msgpack_zone_clear(zone);
    if (message->excess != NORMD_FRAME_WITHIN) {
        return envelope_too_large(message, error);
    }
    if (message->no_memory) {
        return normd_error_set(error, NORMD_BUSY,
            "message: no memory for its %" PRIu64 " bytes now; try again later", message->bytes);
    }
    size_t used = 0;
    const char *head = (const char *)message->head;
    msgpack_unpack_return result = msgpack_unpack(head, message->head_size, &used, zone, root);
    if (result == MSGPACK_UNPACK_NOMEM_ERROR) {
        return normd_error_no_memory(error);
    }
    if (result != MSGPACK_UNPACK_SUCCESS || used != message->head_size) {
        return normd_error_set(error, NORMD_BAD_REQUEST, "message: expected one MessagePack value");
    }
    return NORMD_OK;
}
