// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "daemon/store/crc32c.h"
#include "daemon/store/journal_frame.h"

static const normd_segment_header SEGMENT = {.version = 1,
    .salt = 0x01020304,
    .segment = 7,
    .record = 0x1122334455667788,
    .previous_end = 4096};
static const normd_frame FRAME = {
    .kind = NORMD_FRAME_RECORD, .crc = 0xa1b2c3d4, .length = 5, .record = 9, .synced = 8};

/* The layout of README.md, byte for byte; the sums are over what stands before them. */
static void the_bytes_are_those_of_the_format(void **state)
{
    (void)state;
    static const unsigned char HEADER[] = {'n', 'o', 'r', 'm', 'd', 'j', 'n', 'l', 1, 0, 0, 0, 4, 3,
        2, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0, 16, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0};
    static const unsigned char RECORD[] = {'n', 'r', 'e', 'c', 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0,
        9, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0xd4, 0xc3, 0xb2, 0xa1};
    unsigned char segment[NORMD_SEGMENT_HEADER_BYTES];
    uint32_t seed = normd_segment_header_write(&SEGMENT, segment);
    assert_int_equal(sizeof HEADER + 4, sizeof segment);
    assert_memory_equal(segment, HEADER, sizeof HEADER);
    assert_int_equal(seed, normd_crc32c(0, HEADER, sizeof HEADER));
    unsigned char frame[NORMD_FRAME_HEADER_BYTES];
    normd_frame_write(&FRAME, seed, frame);
    assert_int_equal(sizeof RECORD + 4, sizeof frame);
    assert_memory_equal(frame, RECORD, sizeof RECORD);
    uint32_t sum = normd_crc32c(seed, RECORD, sizeof RECORD);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(segment[44 + i], (seed >> (8 * i)) & 0xff);
        assert_int_equal(frame[36 + i], (sum >> (8 * i)) & 0xff);
    }
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    unsigned char bytes[NORMD_SEGMENT_HEADER_BYTES];
    uint32_t seed = normd_segment_header_write(&SEGMENT, bytes), read_seed;
    normd_segment_header header;
    assert_true(normd_segment_header_read(bytes, &header, &read_seed));
    assert_int_equal(read_seed, seed);
    assert_memory_equal(&header, &SEGMENT, sizeof header);
    normd_frame frame;
    normd_frame_write(&FRAME, seed, bytes);
    assert_true(normd_frame_read(bytes, seed, &frame));
    assert_memory_equal(&frame, &FRAME, sizeof frame);
}

static void no_flipped_bit_goes_unseen(void **state)
{
    (void)state;
    unsigned char bytes[NORMD_SEGMENT_HEADER_BYTES];
    normd_segment_header header;
    normd_frame frame;
    uint32_t seed = normd_segment_header_write(&SEGMENT, bytes), read_seed;
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_false(normd_segment_header_read(bytes, &header, &read_seed));
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    normd_frame_write(&FRAME, seed, bytes);
    for (size_t bit = 0; bit < 8 * NORMD_FRAME_HEADER_BYTES; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_false(normd_frame_read(bytes, seed, &frame));
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

static void a_frame_of_another_segment_does_not_fit(void **state)
{
    (void)state;
    unsigned char bytes[NORMD_SEGMENT_HEADER_BYTES];
    uint32_t seed = normd_segment_header_write(&SEGMENT, bytes);
    normd_segment_header other = SEGMENT;
    other.salt++;
    uint32_t other_seed = normd_segment_header_write(&other, bytes);
    normd_frame frame;
    normd_frame_write(&FRAME, seed, bytes);
    assert_false(normd_frame_read(bytes, other_seed, &frame));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_those_of_the_format),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(no_flipped_bit_goes_unseen),
        cmocka_unit_test(a_frame_of_another_segment_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
