// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/protocol/support/scan.h"

normd_limits scan_no_limits(void)
{
    return (normd_limits){.message_bytes = UINT64_MAX,
        .head_bytes = UINT64_MAX,
        .elements = UINT32_MAX,
        .depth = NORMD_MAX_DEPTH,
        .payload_bytes = UINT32_MAX};
}

size_t scan_piece(scan_cuts cuts, test_random *random, size_t left)
{
    if (cuts == SCAN_WHOLE || left < 2) {
        return left;
    }
    return cuts == SCAN_BYTES ? 1 : 1 + test_random_below(random, left < 40 ? left : 40);
}

scan_result scan_stream(const uint8_t *bytes, size_t size, const normd_limits *limits,
    scan_cuts cuts, test_random *random)
{
    normd_frame frame;
    normd_frame_start(&frame, limits);
    scan_result result = {.event = NORMD_FRAME_MORE};
    size_t at = 0;
    while (at < size && result.event == NORMD_FRAME_MORE) {
        /* A copy of exactly the piece, so that a sanitizer sees a byte too many being read. */
        size_t piece = scan_piece(cuts, random, size - at);
        uint8_t *copy = malloc(piece);
        memcpy(copy, bytes + at, piece);
        size_t taken;
        result.event = normd_frame_scan(&frame, copy, piece, &taken);
        free(copy);
        at += taken;
        if (result.event == NORMD_FRAME_PAYLOAD) {
            if (frame.payload_size > size - at) {
                result.event = NORMD_FRAME_MORE;
                at = size;
            } else {
                at += frame.payload_size;
                result.event = normd_frame_payload_done(&frame);
            }
        }
    }
    result.end = at;
    result.excess = frame.excess;
    result.payloads = frame.payloads;
    result.payloads_bytes = frame.payloads_bytes;
    result.elements = frame.elements;
    return result;
}

/* The header's own bytes, the contents' bytes and the values that a first byte announces. */
static bool reference_lead(const uint8_t *bytes, size_t size, uint64_t *skip, uint64_t *values)
{
    uint8_t lead = bytes[0];
    *skip = 1;
    *values = 0;
    if (lead < 0x80 || lead >= 0xe0 || lead == 0xc0 || lead == 0xc2 || lead == 0xc3) {
        return true;
    }
    if (lead < 0xc0) {
        *values = lead < 0x90 ? 2 * (lead & 15u) : lead < 0xa0 ? lead & 15u : 0;
        *skip += lead >= 0xa0 ? lead & 31u : 0;
        return true;
    }
    if (lead >= 0xca && lead <= 0xd3) {
        static const uint8_t width[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8};
        *skip += width[lead - 0xca];
        return true;
    }
    size_t count = lead == 0xc4 || lead == 0xd9                                   ? 1
                   : lead == 0xc5 || lead == 0xda || lead == 0xdc || lead == 0xde ? 2
                                                                                  : 4;
    *skip += count;
    if (size < *skip) {
        return false;
    }
    uint64_t length = 0;
    for (size_t i = 0; i < count; i++) {
        length = length * 256 + bytes[1 + i];
    }
    *values = lead >= 0xde ? 2 * length : lead >= 0xdc ? length : 0;
    *skip += lead < 0xdc ? length : 0;
    return true;
}

normd_frame_event scan_reference(const uint8_t *bytes, size_t size, size_t *end, uint64_t *elements)
{
    uint64_t pending = 1;
    *elements = 1;
    *end = 0;
    while (pending > 0) {
        if (*end == size) {
            return NORMD_FRAME_MORE;
        }
        uint8_t lead = bytes[*end];
        if (lead == 0xc1 || (lead >= 0xc7 && lead <= 0xc9) || (lead >= 0xd4 && lead <= 0xd8)) {
            *end += 1;
            return NORMD_FRAME_BAD;
        }
        uint64_t skip;
        uint64_t values;
        if (!reference_lead(bytes + *end, size - *end, &skip, &values)) {
            *end = size;
            return NORMD_FRAME_MORE;
        }
        *elements += values;
        pending = pending - 1 + values;
        if (skip > size - *end) {
            *end = size;
            return NORMD_FRAME_MORE;
        }
        *end += skip;
    }
    return NORMD_FRAME_DONE;
}
