// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "protocol/frame.h"
#include "tests/unit/protocol/support/scan.h"

enum { ROUNDS = 4000 };

static const uint8_t *bytes_of(const msgpack_sbuffer *buffer)
{
    return (const uint8_t *)buffer->data;
}

static void assert_same(const scan_result *a, const scan_result *b)
{
    assert_int_equal(a->event, b->event);
    assert_int_equal(a->end, b->end);
    assert_int_equal(a->excess, b->excess);
    assert_int_equal(a->payloads, b->payloads);
    assert_int_equal(a->payloads_bytes, b->payloads_bytes);
    assert_int_equal(a->elements, b->elements);
}

/* Scans in every way of cutting, which must all tell the same. */
static scan_result scan(const void *bytes, size_t size, const normd_limits *limits)
{
    test_random random = {size};
    scan_result whole = scan_stream(bytes, size, limits, SCAN_WHOLE, &random);
    for (int cuts = SCAN_BYTES; cuts < SCAN_CUTS; cuts++) {
        scan_result other = scan_stream(bytes, size, limits, (scan_cuts)cuts, &random);
        assert_same(&whole, &other);
    }
    return whole;
}

static void every_first_byte_is_told_apart(void **state)
{
    (void)state;
    normd_limits limits = scan_no_limits();
    for (unsigned lead = 0; lead < 256; lead++) {
        /* Enough zero bytes to complete any value; what they announce is then empty. */
        uint8_t bytes[64] = {(uint8_t)lead};
        scan_result result = scan(bytes, sizeof bytes, &limits);
        size_t end;
        uint64_t elements;
        assert_int_equal(result.event, scan_reference(bytes, sizeof bytes, &end, &elements));
        assert_int_equal(result.end, end);
        assert_int_equal(result.elements, elements);
    }
}

/* msgpack-c on the same bytes: the end of the first value, and whether there is one. */
static msgpack_unpack_return unpack(const uint8_t *bytes, size_t size, size_t *end)
{
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    *end = 0;
    char *copy = malloc(size + 1);
    memcpy(copy, bytes, size);
    msgpack_unpack_return result = msgpack_unpack_next(&unpacked, copy, size, end);
    msgpack_unpacked_destroy(&unpacked);
    free(copy);
    return result;
}

/* What the scanner lets through ends where msgpack-c ends it. */
static void check_against_msgpack(const uint8_t *bytes, size_t size)
{
    normd_limits limits = scan_no_limits();
    limits.elements = 1 << 16;
    scan_result result = scan(bytes, size, &limits);
    size_t end;
    uint64_t elements;
    assert_int_equal(result.event, scan_reference(bytes, size, &end, &elements));
    assert_int_equal(result.end, end);
    bool bad = result.event == NORMD_FRAME_BAD;
    if (result.excess != NORMD_FRAME_WITHIN || (bad && bytes[result.end - 1] != 0xc1)) {
        return; /* msgpack-c takes what is over a limit, and ext, and sets memory aside for it */
    }
    msgpack_unpack_return unpacked = unpack(bytes, size, &end);
    if (result.event == NORMD_FRAME_DONE) {
        assert_int_equal(unpacked, MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(result.end, end);
    } else {
        assert_int_equal(unpacked, bad ? MSGPACK_UNPACK_PARSE_ERROR : MSGPACK_UNPACK_CONTINUE);
    }
}

static void messages_end_where_msgpack_ends_them(void **state)
{
    (void)state;
    test_random random = {1};
    for (int round = 0; round < ROUNDS; round++) {
        msgpack_sbuffer bytes;
        msgpack_sbuffer_init(&bytes);
        test_random_value(&random, 1 + (uint32_t)round % 8, &bytes);
        size_t size = bytes.size;
        msgpack_sbuffer_write(&bytes, "\x93\xc1", 2); /* the start of the next message */
        normd_limits limits = scan_no_limits();
        scan_result result = scan(bytes.data, bytes.size, &limits);
        assert_int_equal(result.event, NORMD_FRAME_DONE);
        assert_int_equal(result.end, size);
        check_against_msgpack(bytes_of(&bytes), bytes.size);
        msgpack_sbuffer_destroy(&bytes);
    }
}

static void damaged_messages_end_where_msgpack_ends_them(void **state)
{
    (void)state;
    test_random random = {2};
    for (int round = 0; round < ROUNDS; round++) {
        msgpack_sbuffer bytes;
        msgpack_sbuffer_init(&bytes);
        test_random_value(&random, 1 + (uint32_t)round % 6, &bytes);
        test_random_mutate(&random, &bytes);
        check_against_msgpack(bytes_of(&bytes), bytes.size);
        msgpack_sbuffer_destroy(&bytes);
    }
}

static void noise_ends_where_msgpack_ends_it(void **state)
{
    (void)state;
    test_random random = {3};
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[48];
        for (size_t i = 0; i < sizeof bytes; i++) {
            /* Mostly bytes that start containers, strings and wide values. */
            bytes[i] = (uint8_t)(0x80 | test_random_next(&random));
            bytes[i] = (test_random_next(&random) & 3) == 0 ? bytes[i] & 7 : bytes[i];
        }
        check_against_msgpack(bytes, sizeof bytes);
    }
}

static void payloads_are_announced_and_change_nothing_else(void **state)
{
    (void)state;
    test_random random = {4};
    for (int round = 0; round < ROUNDS; round++) {
        msgpack_sbuffer bytes;
        msgpack_sbuffer_init(&bytes);
        test_random_value(&random, 4, &bytes);
        normd_limits limits = scan_no_limits();
        limits.payload_bytes = (uint32_t)test_random_below(&random, 200);
        scan_result result = scan(bytes.data, bytes.size, &limits);
        assert_int_equal(result.event, NORMD_FRAME_DONE);
        assert_int_equal(result.end, bytes.size);
        assert_int_equal(result.excess,
            result.payloads == NORMD_MAX_PAYLOADS ? result.excess : NORMD_FRAME_WITHIN);
        msgpack_sbuffer_destroy(&bytes);
    }
}

static void a_payload_header_says_where_it_stands(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x93, 0xa3, 'a', 'b', 'c', 0xc5, 0x00, 0x03, 'x', 'y', 'z', 0};
    normd_limits limits = scan_no_limits();
    limits.payload_bytes = 3;
    normd_frame frame;
    normd_frame_start(&frame, &limits);
    size_t taken;
    assert_int_equal(normd_frame_scan(&frame, bytes, sizeof bytes, &taken), NORMD_FRAME_PAYLOAD);
    assert_int_equal(taken, 2);
    assert_int_equal(frame.payload_size, 3);
    assert_int_equal(frame.payload_header, 1);
    assert_true(frame.payload_is_str);
    assert_int_equal(normd_frame_payload_done(&frame), NORMD_FRAME_MORE);
    assert_int_equal(normd_frame_scan(&frame, bytes + 5, 7, &taken), NORMD_FRAME_PAYLOAD);
    assert_int_equal(taken, 3);
    assert_int_equal(frame.payload_header, 3);
    assert_false(frame.payload_is_str);
    assert_int_equal(normd_frame_payload_done(&frame), NORMD_FRAME_MORE);
    assert_int_equal(normd_frame_scan(&frame, bytes + 11, 1, &taken), NORMD_FRAME_DONE);
    assert_int_equal(frame.bytes, sizeof bytes);
    assert_int_equal(frame.payloads_bytes, 6);
}

static void a_long_list_of_numbers_is_counted_to_the_last(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    normd_limits limits = scan_no_limits();
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, COUNT);
    for (int i = 0; i < COUNT; i++) {
        i % 700 == 0 ? msgpack_pack_int(&packer, i) : msgpack_pack_double(&packer, i);
    }
    scan_result result = scan(bytes.data, bytes.size, &limits);
    assert_int_equal(result.event, NORMD_FRAME_DONE);
    assert_int_equal(result.end, bytes.size);
    assert_int_equal(result.elements, COUNT + 1);
    result = scan(bytes.data, bytes.size - 1, &limits);
    assert_int_equal(result.event, NORMD_FRAME_MORE);
    msgpack_sbuffer_destroy(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_first_byte_is_told_apart),
        cmocka_unit_test(messages_end_where_msgpack_ends_them),
        cmocka_unit_test(damaged_messages_end_where_msgpack_ends_them),
        cmocka_unit_test(noise_ends_where_msgpack_ends_it),
        cmocka_unit_test(payloads_are_announced_and_change_nothing_else),
        cmocka_unit_test(a_payload_header_says_where_it_stands),
        cmocka_unit_test(a_long_list_of_numbers_is_counted_to_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
