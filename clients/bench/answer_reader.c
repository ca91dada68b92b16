// SPDX-License-Identifier: Apache-2.0
#include "clients/bench/answer_reader.h"

#include <string.h>

/* Nothing is kept, so nothing needs to be small; and no value is announced as a payload. */
static const normd_limits limits = {
    .message_bytes = UINT64_MAX,
    .head_bytes = UINT64_MAX,
    .elements = UINT32_MAX,
    .depth = NORMD_MAX_DEPTH,
    .payload_bytes = UINT32_MAX,
};

enum { NIL = 0xc0 };

void normd_answer_reader_start(normd_answer_reader *reader, normd_expected_answer expected)
{
    *reader = (normd_answer_reader){.expected = expected};
    normd_frame_start(&reader->frame, &limits);
}

/* Bytes of an unsigned integer with this first byte; 0 when it is none. */
static size_t integer_size(uint8_t first)
{
    return first < 0x80 ? 1 : first == 0xcc ? 2 : first == 0xcd ? 3 : first == 0xce ? 5 : 0;
}

static uint32_t read_integer(const uint8_t *bytes, size_t size)
{
    uint32_t value = size == 1 ? bytes[0] : 0;
    for (size_t k = 1; k < size; k++) {
        value = value << 8 | bytes[k];
    }
    return value;
}

/* The same for a message that lies at `start`, of which at least 3 bytes are there. */
static size_t prefix_of(const uint8_t *start)
{
    size_t size = integer_size(start[2]);
    return start[0] == 0x94 && start[1] == 0x01 && size > 0 ? 2 + size : 0;
}

size_t normd_answer_reader_prefix(const normd_answer_reader *reader)
{
    return reader->at < 3 ? 0 : prefix_of(reader->start);
}

/* Compares a piece that lies at `offset` of the message with what is expected there. */
static void compare(normd_answer_reader *reader, uint64_t offset, const uint8_t *bytes, size_t size)
{
    size_t prefix = normd_answer_reader_prefix(reader);
    if (reader->expected.bytes == NULL || prefix == 0 || offset + size <= prefix) {
        return;
    }
    if (offset < prefix) {
        bytes += prefix - offset;
        size -= (size_t)(prefix - offset);
        offset = prefix;
    }
    uint64_t at = offset - prefix;
    if (at + size > reader->expected.size ||
        memcmp(reader->expected.bytes + at, bytes, size) != 0) {
        reader->differs = true;
    }
}

static void note(normd_answer_reader *reader, const uint8_t *bytes, size_t size)
{
    uint64_t offset = reader->at;
    if (offset < NORMD_ANSWER_START_BYTES) {
        size_t room = (size_t)(NORMD_ANSWER_START_BYTES - offset);
        memcpy(reader->start + offset, bytes, size < room ? size : room);
    }
    reader->at += size;
    compare(reader, offset, bytes, size);
}

static normd_answer_event finish(normd_answer_reader *reader)
{
    size_t prefix = normd_answer_reader_prefix(reader);
    if (prefix == 0 || reader->at <= prefix) {
        return NORMD_ANSWER_BAD;
    }
    reader->id = read_integer(reader->start + 2, prefix - 2);
    reader->refused = reader->start[prefix] != NIL;
    bool wrong = reader->expected.bytes != NULL && !reader->refused &&
                 (reader->differs || reader->at - prefix != reader->expected.size);
    return wrong ? NORMD_ANSWER_WRONG : NORMD_ANSWER_FOUND;
}

/* Takes the whole of the expected answer when that is what comes next. */
static bool take_expected(
    normd_answer_reader *reader, const uint8_t *bytes, size_t size, size_t *taken)
{
    const normd_expected_answer *expected = &reader->expected;
    size_t prefix = size < 3 ? 0 : prefix_of(bytes);
    if (prefix == 0 || size < prefix + expected->size ||
        memcmp(bytes + prefix, expected->bytes, expected->size) != 0) {
        return false;
    }
    reader->id = read_integer(bytes + 2, prefix - 2);
    reader->refused = false;
    *taken = prefix + expected->size;
    return true;
}

normd_answer_event normd_answer_reader_take(
    normd_answer_reader *reader, const uint8_t *bytes, size_t size, size_t *taken)
{
    if (reader->frame.bytes == 0) {
        reader->at = 0;
        reader->differs = false;
        if (reader->expected.bytes != NULL && take_expected(reader, bytes, size, taken)) {
            return NORMD_ANSWER_FOUND;
        }
    }
    normd_frame_event event = normd_frame_scan(&reader->frame, bytes, size, taken);
    note(reader, bytes, *taken);
    if (event == NORMD_FRAME_MORE) {
        return NORMD_ANSWER_MORE;
    }
    if (event != NORMD_FRAME_DONE) {
        return NORMD_ANSWER_BAD;
    }
    normd_frame_start(&reader->frame, &limits);
    return finish(reader);
}

const char *normd_answer_reader_text(
    const normd_answer_reader *reader, char text[static NORMD_ANSWER_START_BYTES])
{
    size_t have =
        reader->at < NORMD_ANSWER_START_BYTES ? (size_t)reader->at : NORMD_ANSWER_START_BYTES;
    size_t from = normd_answer_reader_prefix(reader);
    uint8_t first = from < have ? reader->start[from] : 0;
    size_t length = 0;
    if (first >= 0xa0 && first <= 0xbf) {
        length = first & 0x1f;
        from += 1;
    } else if (first == 0xd9 && from + 1 < have) {
        length = reader->start[from + 1];
        from += 2;
    } else if (first == 0xda && from + 2 < have) {
        length = (size_t)reader->start[from + 1] << 8 | reader->start[from + 2];
        from += 3;
    }
    length = from + length <= have ? length : have - from;
    length = length < NORMD_ANSWER_START_BYTES - 1 ? length : NORMD_ANSWER_START_BYTES - 1;
    memcpy(text, reader->start + from, length);
    text[length] = '\0';
    return text;
}
