// SPDX-License-Identifier: Apache-2.0
#include "protocol/frame.h"

#include <assert.h>
#include <string.h>

/* What the first byte of a value says. */
typedef enum lead_class {
    LEAD_FIXED, /* the whole value has a size that is known: nil, booleans, numbers */
    LEAD_STR,   /* `size` is of the contents, which follow */
    LEAD_ARRAY, /* `size` is the number of values */
    LEAD_MAP,   /* `size` is the number of pairs */
    LEAD_LONG,  /* a length of `size` - 1 bytes follows */
    LEAD_BAD,
} lead_class;

/* The size of values of LEAD_FIXED by first byte; 0 for all others. */
static const uint8_t fixed_size[256] = {
    [0x00 ... 0x7f] = 1,
    [0xc0] = 1,
    [0xc2 ... 0xc3] = 1,
    [0xca] = 5,
    [0xcb] = 9,
    [0xcc] = 2,
    [0xcd] = 3,
    [0xce] = 5,
    [0xcf] = 9,
    [0xd0] = 2,
    [0xd1] = 3,
    [0xd2] = 5,
    [0xd3] = 9,
    [0xe0 ... 0xff] = 1,
};

static lead_class lead_of(uint8_t lead, uint8_t *size)
{
    static const uint8_t long_size[32] = {
        [0x04] = 2, /* bin 8, 16, 32 */
        [0x05] = 3,
        [0x06] = 5,
        [0x19] = 2, /* str 8, 16, 32 */
        [0x1a] = 3,
        [0x1b] = 5,
        [0x1c] = 3, /* array 16, 32 */
        [0x1d] = 5,
        [0x1e] = 3, /* map 16, 32 */
        [0x1f] = 5,
    };
    if (fixed_size[lead] > 0) {
        *size = fixed_size[lead];
        return LEAD_FIXED;
    }
    if (lead < 0xc0) {
        *size = lead >= 0xa0 ? lead & 0x1f : lead & 0x0f;
        return lead >= 0xa0 ? LEAD_STR : lead >= 0x90 ? LEAD_ARRAY : LEAD_MAP;
    }
    *size = long_size[lead & 0x1f];
    return *size > 0 ? LEAD_LONG : LEAD_BAD;
}

void normd_frame_start(normd_frame *frame, const normd_limits *limits)
{
    assert(limits->elements >= 1 && limits->depth <= NORMD_MAX_DEPTH);
    frame->limits = limits;
    frame->bytes = 0;
    frame->payloads_bytes = 0;
    frame->skip = 0;
    frame->elements = 1;
    frame->depth = 0;
    frame->payloads = 0;
    frame->excess = NORMD_FRAME_WITHIN;
    frame->stack[0] = 1;
    frame->header_have = 0;
    frame->header_need = 0;
    frame->payload_is_str = false;
    frame->payload_header = 0;
    frame->payload_size = 0;
}

/* Notes the broken limit, and folds the stack: of an outer level, the value that is being read
   stands for the level inside it. */
static void frame_exceed(normd_frame *frame, normd_frame_excess excess)
{
    uint64_t pending = frame->stack[frame->depth];
    for (uint32_t level = 0; level < frame->depth; level++) {
        pending += frame->stack[level] - 1;
    }
    frame->stack[0] = pending;
    frame->depth = 0;
    frame->excess = excess;
}

/* How many of the next `size` bytes (at least 1) may be taken before a limit is looked at again;
   breaks the limit when it is none. */
static size_t frame_allowance(normd_frame *frame, size_t size)
{
    if (frame->excess != NORMD_FRAME_WITHIN) {
        return size;
    }
    uint64_t message = frame->limits->message_bytes - frame->bytes;
    uint64_t head_taken = frame->bytes - frame->payloads_bytes;
    uint64_t head = frame->limits->head_bytes - head_taken;
    if (message == 0 || head == 0) {
        frame_exceed(frame, message == 0 ? NORMD_FRAME_MESSAGE_BYTES : NORMD_FRAME_HEAD_BYTES);
        return size;
    }
    uint64_t allowance = message < head ? message : head;
    return allowance < size ? (size_t)allowance : size;
}

static normd_frame_event frame_value_ended(normd_frame *frame)
{
    while (--frame->stack[frame->depth] == 0) {
        if (frame->depth == 0) {
            return NORMD_FRAME_DONE;
        }
        frame->depth--;
    }
    return NORMD_FRAME_MORE;
}

/* An array or map of `count` values has begun. */
static normd_frame_event frame_container(normd_frame *frame, uint64_t count)
{
    if (frame->excess == NORMD_FRAME_WITHIN) {
        if (count > frame->limits->elements - frame->elements) {
            frame_exceed(frame, NORMD_FRAME_ELEMENTS);
        } else if (frame->depth == frame->limits->depth) {
            frame_exceed(frame, NORMD_FRAME_DEPTH);
        } else {
            frame->elements += (uint32_t)count;
        }
    }
    if (count == 0) {
        return frame_value_ended(frame);
    }
    if (frame->excess == NORMD_FRAME_WITHIN) {
        frame->stack[++frame->depth] = count;
        return NORMD_FRAME_MORE;
    }
    /* The header itself is one of the pending values. */
    bool overflow = __builtin_add_overflow(frame->stack[0], count - 1, &frame->stack[0]);
    return overflow ? NORMD_FRAME_BAD : NORMD_FRAME_MORE;
}

/* The header of a str or bin was taken: `header` bytes, announcing `size` bytes. */
static normd_frame_event frame_bytes(normd_frame *frame, uint64_t size, uint8_t header, bool is_str)
{
    if (size == 0) {
        return frame_value_ended(frame);
    }
    if (frame->excess == NORMD_FRAME_WITHIN && size >= frame->limits->payload_bytes) {
        if (size > frame->limits->message_bytes - frame->bytes) {
            frame_exceed(frame, NORMD_FRAME_MESSAGE_BYTES);
        } else if (frame->payloads == NORMD_MAX_PAYLOADS) {
            frame_exceed(frame, NORMD_FRAME_PAYLOADS);
        } else {
            frame->payloads++;
            frame->payload_size = size;
            frame->payload_header = header;
            frame->payload_is_str = is_str;
            return NORMD_FRAME_PAYLOAD;
        }
    }
    frame->skip = size;
    return NORMD_FRAME_MORE;
}

/* Skips what is left of a number or of a small str or bin. */
static normd_frame_event frame_skip(normd_frame *frame, size_t size, size_t *taken)
{
    *taken = frame->skip < size ? (size_t)frame->skip : size;
    frame->skip -= *taken;
    frame->bytes += *taken;
    return frame->skip == 0 ? frame_value_ended(frame) : NORMD_FRAME_MORE;
}

/* The size of the value at `bytes` when it is a number or a small str or bin, and its first three
   bytes tell; else 0. */
static size_t leaf_size(const uint8_t *bytes, size_t size, uint32_t payload_bytes)
{
    uint8_t lead = bytes[0];
    if (fixed_size[lead] > 0) {
        return fixed_size[lead];
    }
    size_t header = (lead & 0xe0) == 0xa0          ? 1
                    : lead == 0xc4 || lead == 0xd9 ? 2
                    : lead == 0xc5 || lead == 0xda ? 3
                                                   : 0;
    if (header == 0 || size < header) {
        return 0;
    }
    size_t contents = header == 1   ? lead & 0x1f
                      : header == 2 ? bytes[1]
                                    : (size_t)bytes[1] << 8 | bytes[2];
    return contents < payload_bytes ? header + contents : 0;
}

/* The fast way: takes such values as long as the level has any and the bytes hold them whole. Lists
   of numbers repeat one first byte; the inner loop then knows the size without looking it up. */
static normd_frame_event frame_leaves(
    normd_frame *frame, const uint8_t *bytes, size_t size, size_t *taken)
{
    uint64_t left = frame->stack[frame->depth];
    size_t at = 0;
    while (left > 0 && at < size) {
        uint8_t lead = bytes[at];
        size_t width = leaf_size(bytes + at, size - at, frame->limits->payload_bytes);
        if (width == 0 || size - at < width) {
            break;
        }
        bool repeats = fixed_size[lead] > 0;
        do {
            at += width;
            left--;
        } while (repeats && left > 0 && size - at >= width && bytes[at] == lead);
    }
    *taken = at;
    frame->bytes += at;
    if (left > 0) {
        frame->stack[frame->depth] = left;
        return NORMD_FRAME_MORE;
    }
    frame->stack[frame->depth] = 1;
    return frame_value_ended(frame);
}

/* A length that follows its first byte, from frame->header, once it is whole. */
static normd_frame_event frame_length(
    normd_frame *frame, const uint8_t *bytes, size_t size, size_t *taken)
{
    size_t wanted = (size_t)frame->header_need - frame->header_have;
    *taken = wanted < size ? wanted : size;
    memcpy(frame->header + frame->header_have, bytes, *taken);
    frame->header_have = (uint8_t)(frame->header_have + *taken);
    frame->bytes += *taken;
    if (frame->header_have < frame->header_need) {
        return NORMD_FRAME_MORE;
    }
    uint64_t length = 0;
    for (uint8_t i = 1; i < frame->header_need; i++) {
        length = length << 8 | frame->header[i];
    }
    frame->header_have = 0;
    uint8_t lead = frame->header[0];
    if (lead >= 0xde) {
        return frame_container(frame, 2 * length);
    }
    if (lead >= 0xdc) {
        return frame_container(frame, length);
    }
    return frame_bytes(frame, length, frame->header_need, lead >= 0xd9);
}

/* The value that starts at `bytes`, as far as it goes. */
static normd_frame_event frame_value(
    normd_frame *frame, const uint8_t *bytes, size_t size, size_t *taken)
{
    uint8_t lead_size;
    lead_class class = lead_of(*bytes, &lead_size);
    if (class == LEAD_LONG) {
        frame->header_have = 0;
        frame->header_need = lead_size;
        return frame_length(frame, bytes, size, taken);
    }
    *taken = 1;
    frame->bytes++;
    switch (class) {
    case LEAD_FIXED:
        frame->skip = lead_size - 1u;
        return frame->skip == 0 ? frame_value_ended(frame) : NORMD_FRAME_MORE;
    case LEAD_STR:
        return frame_bytes(frame, lead_size, 1, true);
    case LEAD_ARRAY:
        return frame_container(frame, lead_size);
    case LEAD_MAP:
        return frame_container(frame, (uint64_t)2 * lead_size);
    case LEAD_LONG:
    case LEAD_BAD:
        break;
    }
    return NORMD_FRAME_BAD;
}

/* Values from the first byte of one on. */
static normd_frame_event frame_values(
    normd_frame *frame, const uint8_t *bytes, size_t size, size_t *taken)
{
    normd_frame_event event = frame_leaves(frame, bytes, size, taken);
    return *taken > 0 ? event : frame_value(frame, bytes, size, taken);
}

normd_frame_event normd_frame_scan(
    normd_frame *frame, const uint8_t *bytes, size_t size, size_t *taken)
{
    normd_frame_event event = NORMD_FRAME_MORE;
    size_t at = 0;
    while (at < size && event == NORMD_FRAME_MORE) {
        size_t allowance = frame_allowance(frame, size - at);
        size_t step = 0;
        if (frame->skip > 0) {
            event = frame_skip(frame, allowance, &step);
        } else if (frame->header_have > 0) {
            event = frame_length(frame, bytes + at, allowance, &step);
        } else {
            event = frame_values(frame, bytes + at, allowance, &step);
        }
        at += step;
    }
    *taken = at;
    return event;
}

normd_frame_event normd_frame_payload_done(normd_frame *frame)
{
    frame->bytes += frame->payload_size;
    frame->payloads_bytes += frame->payload_size;
    return frame_value_ended(frame);
}
