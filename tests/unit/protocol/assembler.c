// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <msgpack.h>
#include <string.h>

#include "lib/base/array.h"
#include "protocol/assembler.h"
#include "protocol/object.h"
#include "tests/unit/protocol/support/stream.h"

enum { READ_BUFFER = 64 * 1024 };

/* ---- Any stream, any cuts: the same messages ---- */

/* Messages that were sent, and how many have come. */
typedef struct expectation {
    const msgpack_sbuffer *sent;
    size_t count;
    size_t come;
} expectation;

static bool objects_equal(
    const msgpack_object *sent, const msgpack_object *came, normd_message *message)
{
    bool map = sent->type == MSGPACK_OBJECT_MAP;
    if (came->type == MSGPACK_OBJECT_EXT) {
        normd_object_bytes a;
        normd_object_bytes b;
        bool str = came->via.ext.type == NORMD_PAYLOAD_EXT_STR;
        return sent->type == (str ? MSGPACK_OBJECT_STR : MSGPACK_OBJECT_BIN) &&
               normd_object_get_bytes(sent, message, &a) &&
               normd_object_get_bytes(came, message, &b) && a.size == b.size &&
               memcmp(a.data, b.data, a.size) == 0;
    }
    if (came->type != sent->type || (!map && sent->type != MSGPACK_OBJECT_ARRAY)) {
        /* A NaN is not equal to itself; that it came through shows in its bytes elsewhere. */
        bool number = sent->type == MSGPACK_OBJECT_FLOAT32 || sent->type == MSGPACK_OBJECT_FLOAT64;
        return came->type == sent->type && (number || msgpack_object_equal(*sent, *came));
    }
    uint32_t size = map ? sent->via.map.size : sent->via.array.size;
    if (size != (map ? came->via.map.size : came->via.array.size)) {
        return false;
    }
    for (uint32_t i = 0; i < size; i++) {
        bool equal =
            map ? objects_equal(&sent->via.map.ptr[i].key, &came->via.map.ptr[i].key, message) &&
                      objects_equal(&sent->via.map.ptr[i].val, &came->via.map.ptr[i].val, message)
                : objects_equal(&sent->via.array.ptr[i], &came->via.array.ptr[i], message);
        if (!equal) {
            return false;
        }
    }
    return true;
}

static void assert_came(normd_message *message, void *context)
{
    expectation *expected = context;
    assert_true(expected->come < expected->count);
    const msgpack_sbuffer *sent = &expected->sent[expected->come++];
    assert_int_equal(message->excess, NORMD_FRAME_WITHIN);
    assert_false(message->no_memory);
    assert_int_equal(message->bytes, sent->size);
    if (message->payloads == 0) {
        assert_int_equal(message->head_size, sent->size);
        assert_memory_equal(message->head, sent->data, sent->size);
    }
    for (uint32_t i = 0; i < message->payloads; i++) {
        assert_int_equal((uintptr_t)message->payload[i].data % NORMD_ALIGNMENT, 0);
    }
    msgpack_unpacked original;
    msgpack_unpacked head;
    msgpack_unpacked_init(&original);
    msgpack_unpacked_init(&head);
    size_t end = 0;
    msgpack_unpack_next(&original, sent->data, sent->size, &end);
    end = 0;
    assert_int_equal(
        msgpack_unpack_next(&head, (const char *)message->head, message->head_size, &end),
        MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(end, message->head_size);
    assert_true(objects_equal(&original.data, &head.data, message));
    msgpack_unpacked_destroy(&original);
    msgpack_unpacked_destroy(&head);
}

static void any_cuts_give_the_same_messages(void **state)
{
    (void)state;
    enum { ROUNDS = 60, MESSAGES = 40 };
    test_random random = {11};
    for (int round = 0; round < ROUNDS; round++) {
        msgpack_sbuffer sent[MESSAGES];
        msgpack_sbuffer stream;
        msgpack_sbuffer_init(&stream);
        for (int i = 0; i < MESSAGES; i++) {
            msgpack_sbuffer_init(&sent[i]);
            test_random_value(&random, 4, &sent[i]);
            msgpack_sbuffer_write(&stream, sent[i].data, sent[i].size);
        }
        normd_limits limits = scan_no_limits();
        limits.payload_bytes = round % 3 == 0 ? UINT32_MAX : round % 3 == 1 ? 100 : 30;
        test_memory memory;
        test_memory_init(&memory);
        normd_assembler *assembler = normd_assembler_create(&limits, &memory.memory);
        for (int cuts = 0; cuts < SCAN_CUTS; cuts++) {
            expectation expected = {.sent = sent, .count = MESSAGES};
            normd_assembler_result result = stream_send(assembler, stream.data, stream.size,
                (scan_cuts)cuts, &random, assert_came, &expected);
            assert_int_equal(result, NORMD_ASSEMBLER_MORE);
            assert_int_equal(expected.come, MESSAGES);
            assert_false(normd_assembler_inside_message(assembler));
        }
        normd_assembler_destroy(assembler);
        assert_int_equal(memory.taken, memory.released);
        msgpack_sbuffer_destroy(&stream);
        for (int i = 0; i < MESSAGES; i++) {
            msgpack_sbuffer_destroy(&sent[i]);
        }
    }
}

/* ---- One message at a time ---- */

typedef struct fixture {
    normd_limits limits;
    test_memory memory;
    normd_assembler *assembler;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->limits = NORMD_LIMITS_DEFAULT;
    test_memory_init(&f->memory);
    f->assembler = normd_assembler_create(&f->limits, &f->memory.memory);
    *state = f;
    return 0;
}

/* Whatever a test left half done, all memory comes back. */
static int tear_down(void **state)
{
    fixture *f = *state;
    normd_assembler_destroy(f->assembler);
    assert_int_equal(f->memory.taken, f->memory.released);
    free(f);
    return 0;
}

static normd_message *next_message(fixture *f)
{
    normd_message *message = NULL;
    assert_int_equal(normd_assembler_next(f->assembler, &message), NORMD_ASSEMBLER_MESSAGE);
    return message;
}

static void assert_more(fixture *f)
{
    normd_message *message;
    assert_int_equal(normd_assembler_next(f->assembler, &message), NORMD_ASSEMBLER_MORE);
}

/* [0, 1, "m", bytes of the given size]: its header, 10 bytes. */
enum { LARGE_HEADER = 10 };
static void large_header(uint8_t header[LARGE_HEADER], uint32_t size)
{
    const uint8_t bytes[LARGE_HEADER] = {0x94, 0, 1, 0xa1, 'm', 0xc6, (uint8_t)(size >> 24),
        (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size};
    memcpy(header, bytes, LARGE_HEADER);
}

static void a_message_in_one_read_is_given_in_place(void **state)
{
    fixture *f = *state;
    void *room;
    size_t size;
    normd_assembler_room(f->assembler, &room, &size);
    assert_int_equal(size, READ_BUFFER);
    memcpy(room, "\x94\x00\x01\xa1m\x80\x92\x01\x02\x94\x00", 11);
    normd_assembler_read(f->assembler, 11);
    normd_message *message = next_message(f);
    assert_ptr_equal(message->head, room);
    assert_int_equal(message->head_size, 6);
    message = next_message(f);
    assert_ptr_equal(message->head, (uint8_t *)room + 6);
    assert_int_equal(message->head_size, 3);
    assert_more(f);
    assert_true(normd_assembler_inside_message(f->assembler));
}

static void a_full_read_of_small_messages_is_taken_message_by_message(void **state)
{
    fixture *f = *state;
    uint8_t *pings = malloc(READ_BUFFER);
    for (size_t i = 0; i < READ_BUFFER; i += 8) {
        memcpy(pings + i, "\x94\x00\x01\xa3png\xc0", 8);
    }
    assert_int_equal(stream_read(f->assembler, pings, READ_BUFFER), READ_BUFFER);
    for (size_t i = 0; i < READ_BUFFER; i += 8) {
        assert_int_equal(next_message(f)->head_size, 8);
    }
    void *room;
    size_t size;
    normd_assembler_room(f->assembler, &room, &size);
    assert_int_equal(size, 0); /* the last message still lies there */
    assert_more(f);
    normd_assembler_room(f->assembler, &room, &size);
    assert_int_equal(size, READ_BUFFER);
    free(pings);
}

/* Each has its own memory while it has bytes to scan, and gives it back with the last of them. */
static void assemblers_that_share_read_buffers_keep_apart(void **state)
{
    fixture *f = *state;
    normd_read_pool pool = {.free = NULL};
    normd_assembler *other = normd_assembler_create(&f->limits, &f->memory.memory);
    normd_assembler_share(f->assembler, &pool);
    normd_assembler_share(other, &pool);
    void *room;
    void *other_room;
    size_t size;
    stream_read(f->assembler, (const uint8_t *)"\x01\x02\x93\x01", 4);
    normd_message *message = next_message(f);
    normd_assembler_room(other, &other_room, &size);
    assert_int_equal(size, READ_BUFFER);
    memset(other_room, 0x7f, size);
    normd_assembler_read(other, size);
    assert_int_equal(*message->head, 0x01);
    assert_int_equal(*next_message(f)->head, 0x02);
    assert_more(f);
    assert_int_equal(pool.count, 1);
    normd_assembler_room(f->assembler, &room, &size);
    assert_int_equal(pool.count, 0);
    assert_ptr_not_equal(room, other_room);
    memcpy(room, "\x05\x06", 2);
    normd_assembler_read(f->assembler, 2);
    message = next_message(f);
    assert_int_equal(message->head_size, 4);
    assert_memory_equal(message->head, "\x93\x01\x05\x06", 4);
    assert_more(f);
    normd_assembler_destroy(other);
    assert_int_equal(pool.count, 2);
    normd_read_pool_clear(&pool);
}

static void a_large_payload_is_read_straight_into_its_memory(void **state)
{
    fixture *f = *state;
    enum { SIZE = 300000, FIRST = 1000 };
    uint8_t *bytes = malloc(LARGE_HEADER + SIZE);
    large_header(bytes, SIZE);
    memset(bytes + LARGE_HEADER, 0x5a, SIZE);
    assert_int_equal(stream_read(f->assembler, bytes, LARGE_HEADER + FIRST), LARGE_HEADER + FIRST);
    assert_more(f);
    assert_int_equal(f->memory.taken, 1);
    assert_true(normd_assembler_inside_message(f->assembler));
    void *room;
    size_t size;
    normd_assembler_room(f->assembler, &room, &size);
    assert_int_equal(size, SIZE - FIRST);
    memset(room, 0x5a, size);
    normd_assembler_read(f->assembler, size);
    normd_message *message = next_message(f);
    assert_int_equal(message->payloads, 1);
    assert_ptr_equal(message->payload[0].data, (uint8_t *)room - FIRST);
    assert_memory_equal(message->payload[0].data, bytes + LARGE_HEADER, SIZE);
    static const uint8_t head[] = {
        0x94, 0, 1, 0xa1, 'm', 0xd6, (uint8_t)NORMD_PAYLOAD_EXT_BIN, 0, 0, 0, 0};
    assert_int_equal(message->head_size, sizeof head);
    assert_memory_equal(message->head, head, sizeof head);
    assert_int_equal(message->bytes, LARGE_HEADER + SIZE);
    assert_more(f);
    assert_int_equal(f->memory.released, 1);
    free(bytes);
}

static void a_payload_that_was_moved_out_is_not_released(void **state)
{
    fixture *f = *state;
    enum { SIZE = 20000 };
    uint8_t *bytes = calloc(1, LARGE_HEADER + SIZE);
    large_header(bytes, SIZE);
    stream_read(f->assembler, bytes, LARGE_HEADER + SIZE);
    normd_message *message = next_message(f);
    void *handle = message->payload[0].handle;
    message->payload[0].handle = NULL;
    assert_more(f);
    assert_int_equal(f->memory.released, 0);
    f->memory.memory.release(f->memory.memory.context, handle);
    free(bytes);
}

static void an_assembler_may_go_in_the_middle_of_a_payload(void **state)
{
    fixture *f = *state;
    uint8_t bytes[LARGE_HEADER + 5] = {0};
    large_header(bytes, 100000);
    stream_read(f->assembler, bytes, sizeof bytes);
    assert_more(f);
    assert_int_equal(f->memory.taken, 1);
}

/* ---- Messages that are read past ---- */

static void a_payload_without_memory_is_read_past(void **state)
{
    fixture *f = *state;
    enum { SIZE = 300000 };
    f->memory.most = SIZE - 1;
    uint8_t *bytes = calloc(1, LARGE_HEADER + SIZE + 1);
    large_header(bytes, SIZE);
    bytes[LARGE_HEADER + SIZE] = 0x07;
    size_t size = LARGE_HEADER + SIZE + 1;
    size_t at = 0;
    while (at + READ_BUFFER < size) {
        at += stream_read(f->assembler, bytes + at, size - at);
        assert_more(f);
    }
    stream_read(f->assembler, bytes + at, size - at);
    normd_message *message = next_message(f);
    assert_true(message->no_memory);
    assert_int_equal(message->payloads, 0);
    assert_int_equal(message->bytes, size - 1);
    assert_memory_equal(message->head, bytes, LARGE_HEADER);
    message = next_message(f);
    assert_false(message->no_memory);
    assert_int_equal(message->head_size, 1);
    assert_int_equal(f->memory.taken, 0);
    free(bytes);
}

/* [0, 1, payload, payload without memory]: the first is given back before the second is read. */
static void memory_is_given_back_as_soon_as_a_message_is_lost(void **state)
{
    fixture *f = *state;
    f->limits.payload_bytes = 8;
    f->memory.most = 8;
    static const uint8_t bytes[] = {0x94, 0, 1, 0xa8, 1, 2, 3, 4, 5, 6, 7, 8, 0xa9, 1, 2};
    stream_read(f->assembler, bytes, sizeof bytes);
    assert_more(f);
    assert_int_equal(f->memory.taken, 1);
    assert_int_equal(f->memory.released, 1);
    stream_read(f->assembler, bytes + 2, 7);
    normd_message *message = next_message(f);
    assert_true(message->no_memory);
    assert_int_equal(message->bytes, 22);
}

static void the_start_of_a_message_over_a_limit_is_kept(void **state)
{
    fixture *f = *state;
    f->limits.head_bytes = 1000;
    uint8_t *bytes = malloc(100008);
    memcpy(bytes, "\x94\x00\x2a\xa1m\xdc\xc3\x4b", 8); /* a list of 49,995 */
    memset(bytes + 8, 0x01, 100000);
    test_random random = {12};
    for (int cuts = 0; cuts < SCAN_CUTS; cuts++) {
        for (size_t at = 0; at < 8 + 49995 - 1;) {
            size_t piece = scan_piece((scan_cuts)cuts, &random, 8 + 49995 - 1 - at);
            at += stream_read(f->assembler, bytes + at, piece);
            assert_more(f);
        }
        stream_read(f->assembler, bytes + 8 + 49995 - 1, 1);
        normd_message *message = next_message(f);
        assert_int_equal(message->excess, NORMD_FRAME_HEAD_BYTES);
        assert_int_equal(message->bytes, 8 + 49995);
        assert_int_equal(message->head_size, NORMD_KEPT_START_BYTES);
        assert_memory_equal(message->head, bytes, NORMD_KEPT_START_BYTES);
        assert_more(f);
        assert_false(normd_assembler_inside_message(f->assembler));
    }
    free(bytes);
}

/* Payloads that came before the limit was broken go back at once. */
static void payloads_of_a_message_over_a_limit_are_released(void **state)
{
    fixture *f = *state;
    f->limits.payload_bytes = 8;
    f->limits.elements = 6;
    static const uint8_t bytes[] = {
        0x94, 0, 1, 0xa8, 1, 2, 3, 4, 5, 6, 7, 8, 0x94, 1, 2, 3, 0xa8, 1, 2, 3, 4, 5, 6, 7, 8};
    stream_read(f->assembler, bytes, 13);
    assert_more(f);
    assert_int_equal(f->memory.released, 1);
    stream_read(f->assembler, bytes + 13, sizeof bytes - 13);
    normd_message *message = next_message(f);
    assert_int_equal(message->excess, NORMD_FRAME_ELEMENTS);
    assert_int_equal(message->payloads, 0);
    assert_int_equal(f->memory.taken, 1);
}

/* A head of several megabytes, and small ones around it. */
static void a_large_head_comes_through(void **state)
{
    fixture *f = *state;
    f->limits.elements = 1 << 20;
    enum { COUNT = 400000 };
    msgpack_sbuffer sent[3];
    msgpack_sbuffer stream;
    msgpack_sbuffer_init(&stream);
    for (int i = 0; i < 3; i++) {
        msgpack_packer packer;
        msgpack_sbuffer_init(&sent[i]);
        msgpack_packer_init(&packer, &sent[i], msgpack_sbuffer_write);
        msgpack_pack_array(&packer, i == 1 ? COUNT : 3);
        for (int k = 0; k < (i == 1 ? COUNT : 3); k++) {
            msgpack_pack_double(&packer, k);
        }
        msgpack_sbuffer_write(&stream, sent[i].data, sent[i].size);
    }
    expectation expected = {.sent = sent, .count = 3};
    test_random random = {13};
    assert_int_equal(stream_send(f->assembler, stream.data, stream.size, SCAN_WHOLE, &random,
                         assert_came, &expected),
        NORMD_ASSEMBLER_MORE);
    assert_int_equal(expected.come, 3);
    msgpack_sbuffer_destroy(&stream);
    for (int i = 0; i < 3; i++) {
        msgpack_sbuffer_destroy(&sent[i]);
    }
}

static void bytes_that_are_not_messagepack_are_bad(void **state)
{
    fixture *f = *state;
    stream_read(f->assembler, "\x93\x01\xc1\x00", 4);
    normd_message *message;
    assert_int_equal(normd_assembler_next(f->assembler, &message), NORMD_ASSEMBLER_BAD);
}

/* A reference from the wire would point into memory that is not the sender's. */
static void a_payload_reference_from_the_wire_is_bad(void **state)
{
    fixture *f = *state;
    stream_read(f->assembler, "\x94\x00\x01\xa1m\xd6\x82\x00\x00\x00\x00", 11);
    normd_message *message;
    assert_int_equal(normd_assembler_next(f->assembler, &message), NORMD_ASSEMBLER_BAD);
}

#define with_fixture(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_cuts_give_the_same_messages),
        with_fixture(a_message_in_one_read_is_given_in_place),
        with_fixture(a_full_read_of_small_messages_is_taken_message_by_message),
        with_fixture(assemblers_that_share_read_buffers_keep_apart),
        with_fixture(a_large_payload_is_read_straight_into_its_memory),
        with_fixture(a_payload_that_was_moved_out_is_not_released),
        with_fixture(an_assembler_may_go_in_the_middle_of_a_payload),
        with_fixture(a_payload_without_memory_is_read_past),
        with_fixture(memory_is_given_back_as_soon_as_a_message_is_lost),
        with_fixture(the_start_of_a_message_over_a_limit_is_kept),
        with_fixture(payloads_of_a_message_over_a_limit_are_released),
        with_fixture(a_large_head_comes_through),
        with_fixture(bytes_that_are_not_messagepack_are_bad),
        with_fixture(a_payload_reference_from_the_wire_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
