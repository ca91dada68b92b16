// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "protocol/envelope.h"

static normd_envelope read_text(const char *bytes, size_t size)
{
    /* A copy of exactly these bytes, so that a sanitizer sees one too many being read. */
    uint8_t *head = malloc(size > 0 ? size : 1);
    memcpy(head, bytes, size);
    normd_message message = {.head = head, .head_size = size};
    normd_envelope envelope = normd_envelope_read(&message);
    free(head);
    return envelope;
}

static void every_form_of_an_id_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        uint32_t id;
    } rows[] = {
        {"\x94\x00\x07", 3, 7},
        {"\x94\x00\xcc\x80", 4, 128},
        {"\x94\x00\xcd\x01\x02", 5, 0x102},
        {"\x94\x00\xce\xff\xff\xff\xff", 7, UINT32_MAX},
        {"\x94\x00\xcf\0\0\0\0\0\0\x01\0", 11, 256},
        {"\xdc\0\x04\x00\x07", 5, 7},
        {"\xdd\0\0\0\x04\xcc\x00\x07", 8, 7},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        normd_envelope envelope = read_text(rows[i].bytes, rows[i].size);
        assert_int_equal(envelope.type, NORMD_ENVELOPE_REQUEST);
        assert_true(envelope.has_id);
        assert_int_equal(envelope.id, rows[i].id);
        assert_int_equal(envelope.body, rows[i].size);
        for (size_t size = 0; size < rows[i].size; size++) {
            assert_false(read_text(rows[i].bytes, size).has_id);
        }
    }
}

static void only_what_calls_a_method_has_a_body(void **state)
{
    (void)state;
    assert_int_equal(read_text("\x93\x02\xa4", 3).body, 2);
    assert_int_equal(read_text("\x94\x01\x07", 3).body, 0);
    assert_int_equal(read_text("\x94\x00\xff", 3).body, 0);
    assert_int_equal(read_text("\x94\x03\x07", 3).body, 0);
    assert_int_equal(read_text("\x07", 1).body, 0);
    assert_int_equal(read_text("", 0).body, 0);
}

static void what_is_no_id_is_not_taken_for_one(void **state)
{
    (void)state;
    assert_false(read_text("\x91\x00\x07", 3).has_id);
    assert_false(read_text("\x94\x00\xff", 3).has_id);
    assert_false(read_text("\x94\x00\xc0", 3).has_id);
    assert_false(read_text("\x94\x00\xd3\0\0\0\0\0\0\0\x01", 11).has_id);
    assert_false(read_text("\x94\x00\xcf\0\0\0\x01\0\0\0\0", 11).has_id);
    assert_false(read_text("\x93\x02\x07\x07", 4).has_id);
}

static void the_types_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(read_text("\x94\x01\x07", 3).type, NORMD_ENVELOPE_RESPONSE);
    assert_int_equal(read_text("\x93\x02\xa1", 3).type, NORMD_ENVELOPE_NOTIFICATION);
    assert_int_equal(read_text("\x94\x03\x07", 3).type, NORMD_ENVELOPE_NONE);
    assert_int_equal(read_text("\x84\x00\x07", 3).type, NORMD_ENVELOPE_NONE);
    assert_int_equal(read_text("\x90", 1).type, NORMD_ENVELOPE_NONE);
    assert_int_equal(
        read_text("\x94\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 10).type, NORMD_ENVELOPE_NONE);
    assert_int_equal(read_text("", 0).type, NORMD_ENVELOPE_NONE);
}

static void what_was_read_past_says_why(void **state)
{
    (void)state;
    normd_limits limits = NORMD_LIMITS_DEFAULT;
    normd_message message = {.head = (const uint8_t *)"\x94", .head_size = 1, .limits = &limits};
    msgpack_object root;
    msgpack_zone zone;
    normd_error error;
    msgpack_zone_init(&zone, 256);
    static const char *const words[] = {
        [NORMD_FRAME_MESSAGE_BYTES] = "1073741824 bytes (message_bytes)",
        [NORMD_FRAME_HEAD_BYTES] = "4194304 bytes besides",
        [NORMD_FRAME_ELEMENTS] = "65536 values",
        [NORMD_FRAME_DEPTH] = "16 levels",
        [NORMD_FRAME_PAYLOADS] = "64 large strings",
    };
    for (int excess = NORMD_FRAME_MESSAGE_BYTES; excess <= NORMD_FRAME_PAYLOADS; excess++) {
        message.excess = (normd_frame_excess)excess;
        assert_int_equal(normd_envelope_unpack(&message, &zone, &root, &error), NORMD_TOO_LARGE);
        assert_non_null(strstr(error.message, words[excess]));
    }
    message.excess = NORMD_FRAME_WITHIN;
    message.no_memory = true;
    message.bytes = 123456;
    assert_int_equal(normd_envelope_unpack(&message, &zone, &root, &error), NORMD_BUSY);
    assert_non_null(strstr(error.message, "123456"));
    msgpack_zone_destroy(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_an_id_is_read),
        cmocka_unit_test(only_what_calls_a_method_has_a_body),
        cmocka_unit_test(what_is_no_id_is_not_taken_for_one),
        cmocka_unit_test(the_types_are_told_apart),
        cmocka_unit_test(what_was_read_past_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
