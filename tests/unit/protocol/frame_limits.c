// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "protocol/frame.h"
#include "tests/unit/protocol/support/scan.h"

enum { ROUNDS = 2000, BOMB_BYTES = 1 << 20 };

static scan_result scan(const void *bytes, size_t size, const normd_limits *limits)
{
    test_random random = {size};
    scan_result whole = scan_stream(bytes, size, limits, SCAN_WHOLE, &random);
    scan_result cut = scan_stream(bytes, size, limits, SCAN_RANDOM, &random);
    scan_result single = scan_stream(bytes, size, limits, SCAN_BYTES, &random);
    assert_int_equal(whole.event, single.event);
    assert_int_equal(whole.end, single.end);
    assert_int_equal(whole.excess, single.excess);
    assert_int_equal(whole.event, cut.event);
    assert_int_equal(whole.end, cut.end);
    assert_int_equal(whole.excess, cut.excess);
    return whole;
}

static uint32_t object_depth(const msgpack_object *object)
{
    uint32_t deepest = 0;
    bool map = object->type == MSGPACK_OBJECT_MAP;
    if (!map && object->type != MSGPACK_OBJECT_ARRAY) {
        return 0;
    }
    for (uint32_t i = 0; i < (map ? object->via.map.size : object->via.array.size); i++) {
        uint32_t key = map ? object_depth(&object->via.map.ptr[i].key) : 0;
        uint32_t value =
            object_depth(map ? &object->via.map.ptr[i].val : &object->via.array.ptr[i]);
        deepest = key > deepest ? key : deepest;
        deepest = value > deepest ? value : deepest;
    }
    return 1 + deepest;
}

static uint32_t message_depth(const msgpack_sbuffer *bytes)
{
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t end = 0;
    assert_int_equal(
        msgpack_unpack_next(&unpacked, bytes->data, bytes->size, &end), MSGPACK_UNPACK_SUCCESS);
    uint32_t depth = object_depth(&unpacked.data);
    msgpack_unpacked_destroy(&unpacked);
    return depth;
}

static void assert_breaks(
    const msgpack_sbuffer *bytes, const normd_limits *limits, normd_frame_excess excess)
{
    scan_result result = scan(bytes->data, bytes->size, limits);
    assert_int_equal(result.event, NORMD_FRAME_DONE);
    assert_int_equal(result.end, bytes->size);
    assert_int_equal(result.excess, excess);
}

/* A message that meets every limit to the last byte passes; one less of any, and that one is told.
   It is followed to its end all the same. */
static void limits_are_exact(void **state)
{
    (void)state;
    test_random random = {5};
    for (int round = 0; round < ROUNDS; round++) {
        msgpack_sbuffer bytes;
        msgpack_sbuffer_init(&bytes);
        test_random_value(&random, 5, &bytes);
        normd_limits limits = scan_no_limits();
        limits.payload_bytes = round % 2 == 0 ? 16 : UINT32_MAX;
        scan_result measured = scan(bytes.data, bytes.size, &limits);
        if (measured.excess != NORMD_FRAME_WITHIN) {
            assert_int_equal(measured.excess, NORMD_FRAME_PAYLOADS);
            msgpack_sbuffer_destroy(&bytes);
            continue;
        }
        limits.message_bytes = bytes.size;
        limits.head_bytes = bytes.size - measured.payloads_bytes;
        limits.elements = measured.elements;
        limits.depth = message_depth(&bytes);
        assert_breaks(&bytes, &limits, NORMD_FRAME_WITHIN);
        normd_limits less = limits;
        less.message_bytes--;
        less.head_bytes++;
        assert_breaks(&bytes, &less, NORMD_FRAME_MESSAGE_BYTES);
        less = limits;
        less.head_bytes--;
        assert_breaks(&bytes, &less, NORMD_FRAME_HEAD_BYTES);
        if (limits.depth > 0) {
            less = limits;
            less.depth--;
            assert_breaks(&bytes, &less, NORMD_FRAME_DEPTH);
        }
        if (limits.elements > 1) {
            less = limits;
            less.elements--;
            assert_breaks(&bytes, &less, NORMD_FRAME_ELEMENTS);
        }
        msgpack_sbuffer_destroy(&bytes);
    }
}

static void one_payload_too_many_is_told(void **state)
{
    (void)state;
    normd_limits limits = scan_no_limits();
    limits.payload_bytes = 2;
    for (uint8_t count = NORMD_MAX_PAYLOADS - 1; count <= NORMD_MAX_PAYLOADS + 1; count++) {
        uint8_t bytes[3 + 3 * (NORMD_MAX_PAYLOADS + 1)] = {0xdc, 0, count};
        for (size_t i = 0; i < count; i++) {
            memcpy(bytes + 3 + 3 * i, "\xa2xy", 3);
        }
        size_t size = 3 + 3 * (size_t)count;
        scan_result result = scan(bytes, size, &limits);
        assert_int_equal(result.event, NORMD_FRAME_DONE);
        assert_int_equal(result.end, size);
        assert_int_equal(
            result.excess, count > NORMD_MAX_PAYLOADS ? NORMD_FRAME_PAYLOADS : NORMD_FRAME_WITHIN);
    }
}

/* The limit is broken by the announcement alone, before any memory is asked for. */
static void a_payload_over_the_limit_is_not_announced(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x94, 0, 1, 0xc6, 0xff, 0xff, 0xff, 0xff};
    normd_limits limits = NORMD_LIMITS_DEFAULT;
    scan_result result = scan(bytes, sizeof bytes, &limits);
    assert_int_equal(result.event, NORMD_FRAME_MORE);
    assert_int_equal(result.excess, NORMD_FRAME_MESSAGE_BYTES);
    assert_int_equal(result.payloads, 0);
}

static void a_claimed_list_is_refused_by_its_header(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x94, 0, 1, 0xdd, 0xff, 0xff, 0xff, 0xff};
    normd_limits limits = NORMD_LIMITS_DEFAULT;
    scan_result result = scan(bytes, sizeof bytes, &limits);
    assert_int_equal(result.event, NORMD_FRAME_MORE);
    assert_int_equal(result.excess, NORMD_FRAME_ELEMENTS);
}

/* A megabyte of headers inside each other, for each kind of header: followed to the end by the
   scanner's struct alone. */
static void nested_headers_are_followed_to_their_end(void **state)
{
    (void)state;
    normd_limits limits = NORMD_LIMITS_DEFAULT;
    uint8_t *bytes = malloc(BOMB_BYTES);
    memset(bytes, 0x91, BOMB_BYTES);
    bytes[BOMB_BYTES - 1] = 0xc0;
    test_random random = {6};
    scan_result result = scan_stream(bytes, BOMB_BYTES, &limits, SCAN_WHOLE, &random);
    assert_int_equal(result.event, NORMD_FRAME_DONE);
    assert_int_equal(result.end, BOMB_BYTES);
    assert_int_equal(result.excess, NORMD_FRAME_DEPTH);
    /* Maps need a value for every key: one nil a level, behind the innermost. */
    memset(bytes, 0x81, BOMB_BYTES / 2);
    memset(bytes + BOMB_BYTES / 2, 0xc0, BOMB_BYTES / 2);
    result = scan_stream(bytes, BOMB_BYTES, &limits, SCAN_RANDOM, &random);
    assert_int_equal(result.event, NORMD_FRAME_MORE);
    bytes[BOMB_BYTES / 2 - 1] = 0xc0;
    result = scan_stream(bytes, BOMB_BYTES, &limits, SCAN_RANDOM, &random);
    assert_int_equal(result.event, NORMD_FRAME_DONE);
    assert_int_equal(result.end, BOMB_BYTES - 1);
    free(bytes);
}

/* Headers that claim 2^33 values each never come to an end, but they do not wrap around either. */
static void huge_claims_add_up(void **state)
{
    (void)state;
    normd_limits limits = NORMD_LIMITS_DEFAULT;
    normd_frame frame;
    normd_frame_start(&frame, &limits);
    static const uint8_t header[] = {0xdf, 0xff, 0xff, 0xff, 0xff};
    uint64_t pending = 1;
    size_t taken;
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(normd_frame_scan(&frame, header, sizeof header, &taken), NORMD_FRAME_MORE);
        pending += UINT64_C(2) * UINT32_MAX - 1;
    }
    assert_int_equal(frame.stack[0], pending);
}

static void a_count_that_overflows_is_bad(void **state)
{
    (void)state;
    normd_limits limits = NORMD_LIMITS_DEFAULT;
    normd_frame frame;
    normd_frame_start(&frame, &limits);
    frame.excess = NORMD_FRAME_ELEMENTS;
    static const uint8_t header[] = {0xdc, 0x00, 0x03};
    size_t taken;
    frame.stack[0] = UINT64_MAX - 2;
    assert_int_equal(normd_frame_scan(&frame, header, sizeof header, &taken), NORMD_FRAME_MORE);
    assert_int_equal(frame.stack[0], UINT64_MAX);
    assert_int_equal(normd_frame_scan(&frame, header, sizeof header, &taken), NORMD_FRAME_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_exact),
        cmocka_unit_test(one_payload_too_many_is_told),
        cmocka_unit_test(a_payload_over_the_limit_is_not_announced),
        cmocka_unit_test(a_claimed_list_is_refused_by_its_header),
        cmocka_unit_test(nested_headers_are_followed_to_their_end),
        cmocka_unit_test(huge_claims_add_up),
        cmocka_unit_test(a_count_that_overflows_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
