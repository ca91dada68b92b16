// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "protocol/call.h"

typedef struct outcome {
    normd_status status;
    normd_response response;
    normd_error error;
} outcome;

static outcome decode(const char *bytes, size_t size, normd_frame_excess excess, bool no_memory)
{
    normd_limits limits = NORMD_LIMITS_DEFAULT;
    normd_message message = {.head = (const uint8_t *)bytes,
        .head_size = size,
        .excess = excess,
        .no_memory = no_memory,
        .limits = &limits};
    msgpack_zone zone;
    outcome result;
    msgpack_zone_init(&zone, 256);
    result.status = normd_response_decode(&message, &zone, &result.response, &result.error);
    if (result.status == NORMD_OK) {
        /* The objects lie in the zone. */
        assert_int_equal(result.response.failed, result.response.error->type != MSGPACK_OBJECT_NIL);
    }
    msgpack_zone_destroy(&zone);
    return result;
}

static void results_and_errors_are_told_apart(void **state)
{
    (void)state;
    outcome result = decode("\x94\x01\x05\xc0\x07", 5, NORMD_FRAME_WITHIN, false);
    assert_int_equal(result.status, NORMD_OK);
    assert_false(result.response.failed);
    assert_int_equal(result.response.id, 5);
    result = decode("\x94\x01\x05\xa1x\xc0", 6, NORMD_FRAME_WITHIN, false);
    assert_int_equal(result.status, NORMD_OK);
    assert_true(result.response.failed);
}

static void what_is_no_response_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } rows[] = {
        {"\x94\x00\x05\xc0\x07", 5},     /* a request */
        {"\x93\x01\x05\xc0", 4},         /* too short */
        {"\x95\x01\x05\xc0\x07\x07", 6}, /* too long */
        {"\x94\x01\xa1x\xc0\x07", 6},    /* an id that is none */
        {"\x94\x01\x05\x2a\xc0", 5},     /* an error that is no string */
        {"\x81\x01\x05", 3},             /* a map */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        outcome result = decode(rows[i].bytes, rows[i].size, NORMD_FRAME_WITHIN, false);
        assert_int_equal(result.status, NORMD_BAD_REQUEST);
    }
}

static void a_response_that_was_read_past_keeps_its_id(void **state)
{
    (void)state;
    outcome result = decode("\x94\x01\x05\xc0", 4, NORMD_FRAME_MESSAGE_BYTES, false);
    assert_int_equal(result.status, NORMD_TOO_LARGE);
    assert_int_equal(result.response.id, 5);
    result = decode("\x94\x01\x06\xc0", 4, NORMD_FRAME_WITHIN, true);
    assert_int_equal(result.status, NORMD_BUSY);
    assert_int_equal(result.response.id, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_and_errors_are_told_apart),
        cmocka_unit_test(what_is_no_response_is_refused),
        cmocka_unit_test(a_response_that_was_read_past_keeps_its_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
