// SPDX-License-Identifier: Apache-2.0
#include "protocol/assembler.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD_FIRST_BYTES = 4 * 1024,
    HEAD_KEEP_BYTES = 64 * 1024, /* a head that grew larger is given back after its message */
    REFERENCE_BYTES = 6,         /* of a payload, in the head: fixext 4 */
};

struct normd_assembler {
    const normd_limits *limits;
    const normd_payload_memory *memory;
    normd_frame frame;
    normd_message message; /* being made, or handed out */
    bool handed_out;
    /* The payload that is being read: */
    bool in_payload;
    bool room_is_payload; /* the last normd_assembler_room pointed into it */
    uint8_t *target;      /* NULL: its bytes are dropped */
    uint64_t filled;
    /* The head, when the message is not given in place: */
    uint8_t *head;
    size_t head_size;
    size_t head_capacity;
    /* Bytes read and not yet scanned: buffer->bytes[begin, end). Without any it is given back. */
    size_t begin;
    size_t end;
    normd_read_buffer *buffer; /* or NULL */
    normd_read_pool *pool;
    normd_read_pool own_pool;
};

normd_assembler *normd_assembler_create(
    const normd_limits *limits, const normd_payload_memory *memory)
{
    normd_assembler *assembler = calloc(1, sizeof *assembler);
    if (assembler == NULL) {
        return NULL;
    }
    assembler->pool = &assembler->own_pool;
    assembler->limits = limits;
    assembler->memory = memory;
    normd_frame_start(&assembler->frame, limits);
    return assembler;
}

void normd_assembler_share(normd_assembler *assembler, normd_read_pool *pool)
{
    assert(assembler->buffer == NULL);
    assembler->pool = pool;
}

static void buffer_give_back(normd_assembler *assembler)
{
    normd_read_pool_give(assembler->pool, assembler->buffer);
    assembler->buffer = NULL;
    assembler->begin = 0;
    assembler->end = 0;
}

static void payloads_release(normd_assembler *assembler)
{
    normd_message *message = &assembler->message;
    for (uint32_t i = 0; i < message->payloads; i++) {
        if (message->payload[i].handle != NULL) {
            assembler->memory->release(assembler->memory->context, message->payload[i].handle);
        }
    }
    message->payloads = 0;
}

void normd_assembler_destroy(normd_assembler *assembler)
{
    if (assembler == NULL) {
        return;
    }
    payloads_release(assembler);
    buffer_give_back(assembler);
    normd_read_pool_clear(&assembler->own_pool);
    free(assembler->head);
    free(assembler);
}

void normd_assembler_room(normd_assembler *assembler, void **data, size_t *size)
{
    uint64_t left = assembler->frame.payload_size - assembler->filled;
    assembler->room_is_payload = assembler->in_payload && assembler->target != NULL && left > 0 &&
                                 assembler->begin == assembler->end;
    if (assembler->room_is_payload) {
        *data = assembler->target + assembler->filled;
        *size = (size_t)left;
        return;
    }
    if (assembler->buffer == NULL) {
        assembler->buffer = normd_read_pool_take(assembler->pool);
    }
    bool have = assembler->buffer != NULL;
    *data = have ? assembler->buffer->bytes + assembler->end : NULL;
    *size = have ? sizeof assembler->buffer->bytes - assembler->end : 0;
}

void normd_assembler_read(normd_assembler *assembler, size_t size)
{
    if (assembler->room_is_payload) {
        assert(size <= assembler->frame.payload_size - assembler->filled);
        assembler->filled += size;
        assembler->room_is_payload = false;
    } else {
        assert(size <= sizeof assembler->buffer->bytes - assembler->end);
        assembler->end += size;
    }
}

/* Whether the message will only be read past: nothing but its start is kept. */
static bool message_is_lost(const normd_assembler *assembler)
{
    return assembler->message.no_memory || assembler->frame.excess != NORMD_FRAME_WITHIN;
}

static bool head_grow(normd_assembler *assembler, size_t needed)
{
    size_t capacity = assembler->head_capacity > 0 ? assembler->head_capacity : HEAD_FIRST_BYTES;
    while (capacity < needed) {
        capacity *= 2;
    }
    uint8_t *head = realloc(assembler->head, capacity);
    if (head == NULL) {
        return false;
    }
    assembler->head = head;
    assembler->head_capacity = capacity;
    return true;
}

/* Gives back what a message holds that will only be read past, except for its start. */
static void message_lose(normd_assembler *assembler)
{
    payloads_release(assembler);
    if (assembler->head_size > NORMD_KEPT_START_BYTES) {
        assembler->head_size = NORMD_KEPT_START_BYTES;
    }
}

/* Puts bytes behind the head; of a lost message only while its start is short. */
static bool head_append(normd_assembler *assembler, const uint8_t *bytes, size_t size)
{
    if (message_is_lost(assembler)) {
        message_lose(assembler);
        size_t room = NORMD_KEPT_START_BYTES - assembler->head_size;
        size = size < room ? size : room;
    }
    if (size == 0) {
        return true;
    }
    size_t needed = assembler->head_size + size;
    if (needed > assembler->head_capacity && !head_grow(assembler, needed)) {
        return false;
    }
    memcpy(assembler->head + assembler->head_size, bytes, size);
    assembler->head_size = needed;
    return true;
}

/* The scanner stopped in front of a payload: takes memory for it and puts a reference in the place
   of its header, which ends the head. */
static bool payload_begin(normd_assembler *assembler)
{
    normd_message *message = &assembler->message;
    const normd_frame *frame = &assembler->frame;
    assembler->in_payload = true;
    assembler->target = NULL;
    assembler->filled = 0;
    if (message->no_memory) {
        return true;
    }
    normd_payload payload = {.size = (size_t)frame->payload_size};
    payload.data =
        assembler->memory->take(assembler->memory->context, payload.size, &payload.handle);
    if (payload.data == NULL) {
        message->no_memory = true;
        message_lose(assembler);
        return true;
    }
    assembler->target = payload.data;
    uint32_t index = message->payloads;
    message->payload[index] = payload;
    message->payloads++;
    const int8_t type = frame->payload_is_str ? NORMD_PAYLOAD_EXT_STR : NORMD_PAYLOAD_EXT_BIN;
    const uint8_t reference[REFERENCE_BYTES] = {
        0xd6, (uint8_t)type, 0, 0, (uint8_t)(index >> 8), (uint8_t)index};
    assembler->head_size -= frame->payload_header;
    return head_append(assembler, reference, sizeof reference);
}

/* Moves what the read buffer holds of the payload. True when the payload is whole. */
static bool payload_fill(normd_assembler *assembler)
{
    uint64_t left = assembler->frame.payload_size - assembler->filled;
    size_t have = assembler->end - assembler->begin;
    size_t size = left < have ? (size_t)left : have;
    if (assembler->target != NULL && size > 0) {
        memcpy(assembler->target + assembler->filled, assembler->buffer->bytes + assembler->begin,
            size);
    }
    assembler->begin += size;
    assembler->filled += size;
    return assembler->filled == assembler->frame.payload_size;
}

/* The message that was handed out last is over. */
static void message_recycle(normd_assembler *assembler)
{
    payloads_release(assembler);
    assembler->message.no_memory = false;
    assembler->head_size = 0;
    if (assembler->head_capacity > HEAD_KEEP_BYTES) {
        free(assembler->head);
        assembler->head = NULL;
        assembler->head_capacity = 0;
    }
    normd_frame_start(&assembler->frame, assembler->limits);
    assembler->handed_out = false;
}

static normd_assembler_result message_hand_out(
    normd_assembler *assembler, const uint8_t *in_place, normd_message **message)
{
    normd_message *done = &assembler->message;
    done->head = in_place != NULL ? in_place : assembler->head;
    done->head_size = in_place != NULL ? (size_t)assembler->frame.bytes : assembler->head_size;
    done->excess = assembler->frame.excess;
    done->bytes = assembler->frame.bytes;
    done->limits = assembler->limits;
    if (message_is_lost(assembler) && done->head_size > NORMD_KEPT_START_BYTES) {
        done->head_size = NORMD_KEPT_START_BYTES;
    }
    assembler->handed_out = true;
    *message = done;
    return NORMD_ASSEMBLER_MESSAGE;
}

/* Scans what the read buffer holds, up to the next event, and keeps it unless it is a whole
   message: then `in_place` says where. */
static normd_frame_event buffer_scan(
    normd_assembler *assembler, const uint8_t **in_place, bool *failed)
{
    const uint8_t *bytes = assembler->buffer->bytes + assembler->begin;
    size_t taken;
    normd_frame_event event =
        normd_frame_scan(&assembler->frame, bytes, assembler->end - assembler->begin, &taken);
    assembler->begin += taken;
    if (event == NORMD_FRAME_DONE && assembler->frame.bytes == taken) {
        *in_place = bytes;
    } else if (event != NORMD_FRAME_BAD) {
        *failed = !head_append(assembler, bytes, taken);
    }
    if (event == NORMD_FRAME_PAYLOAD && !*failed) {
        *failed = !payload_begin(assembler);
    }
    return event;
}

normd_assembler_result normd_assembler_next(normd_assembler *assembler, normd_message **message)
{
    if (assembler->handed_out) {
        message_recycle(assembler);
    }
    for (;;) {
        normd_frame_event event;
        const uint8_t *in_place = NULL;
        bool failed = false;
        if (assembler->in_payload && payload_fill(assembler)) {
            assembler->in_payload = false;
            event = normd_frame_payload_done(&assembler->frame);
        } else if (assembler->begin == assembler->end) {
            buffer_give_back(assembler);
            return NORMD_ASSEMBLER_MORE;
        } else {
            event = buffer_scan(assembler, &in_place, &failed);
        }
        if (failed) {
            return NORMD_ASSEMBLER_FAILED;
        }
        if (event == NORMD_FRAME_BAD) {
            return NORMD_ASSEMBLER_BAD;
        }
        if (event == NORMD_FRAME_DONE) {
            return message_hand_out(assembler, in_place, message);
        }
    }
}

bool normd_assembler_inside_message(const normd_assembler *assembler)
{
    return !assembler->handed_out && assembler->frame.bytes > 0;
}
