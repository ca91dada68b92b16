// SPDX-License-Identifier: Apache-2.0
/* The vectors check the writer's bytes; here is the rest. */
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "protocol/writer.h"

/* The sanitizers' allocators end the program on a size that nothing can hold, unless they are told
   to fail as malloc does. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
__attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void a_header_and_the_bytes_make_the_whole(void **state)
{
    (void)state;
    float values[] = {1, 2, 3};
    normd_array array = {.dtype = NORMD_F32, .shape = {.rank = 1, .dim = {3}}, .data = values};
    normd_write_buffer whole = {.failed = false};
    normd_write_buffer parts = {.failed = false};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &whole, normd_write_append);
    normd_write_array(&packer, &array, NORMD_KEYS_BIN);
    msgpack_packer_init(&packer, &parts, normd_write_append);
    normd_write_array_header(&packer, &array, NORMD_KEYS_BIN);
    normd_write_append(&parts, (const char *)values, sizeof values);
    assert_int_equal(whole.bytes.size, parts.bytes.size);
    assert_memory_equal(whole.bytes.data, parts.bytes.data, whole.bytes.size);
    msgpack_sbuffer_destroy(&whole.bytes);
    msgpack_sbuffer_destroy(&parts.bytes);
}

static void a_request_is_an_envelope_and_a_map(void **state)
{
    (void)state;
    normd_write_buffer buffer = {.failed = false};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &buffer, normd_write_append);
    normd_write_request(&packer, 200, "step", 1);
    static const char expected[] = "\x94\x00\xcc\xc8\xa4step\x81";
    assert_int_equal(buffer.bytes.size, sizeof expected - 1);
    assert_memory_equal(buffer.bytes.data, expected, sizeof expected - 1);
    msgpack_sbuffer_destroy(&buffer.bytes);
}

/* Clients refuse a str that is not UTF-8; a message that quotes or was cut may hold such bytes. */
static void an_error_is_always_utf8(void **state)
{
    (void)state;
    normd_error error;
    normd_error_set(&error, NORMD_BAD_ARGUMENT, "caf\xc3\xa9 \xff\xfe end\xe2\x82");
    normd_write_buffer buffer = {.failed = false};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &buffer, normd_write_append);
    normd_write_error(&packer, 1, &error);
    static const char text[] = "BAD_ARGUMENT caf\xc3\xa9 ?? end??";
    assert_int_equal(buffer.bytes.size, 3 + 1 + sizeof text - 1 + 1);
    assert_memory_equal(buffer.bytes.data + 4, text, sizeof text - 1);
    msgpack_sbuffer_destroy(&buffer.bytes);
}

static void the_longest_error_fits(void **state)
{
    (void)state;
    normd_error error = {.status = NORMD_NOT_AUTHENTICATED};
    memset(error.message, 'x', sizeof error.message - 1);
    error.message[sizeof error.message - 1] = '\0';
    normd_write_buffer buffer = {.failed = false};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &buffer, normd_write_append);
    normd_write_error(&packer, 1, &error);
    size_t text = strlen("NOT_AUTHENTICATED ") + sizeof error.message - 1;
    assert_int_equal(buffer.bytes.size, 3 + 3 + text + 1);
    assert_memory_equal(buffer.bytes.data + 6, "NOT_AUTHENTICATED xxx", 21);
    msgpack_sbuffer_destroy(&buffer.bytes);
}

/* One look at the end is enough to see that a message is not whole. */
static void a_failed_append_is_remembered(void **state)
{
    (void)state;
    normd_write_buffer buffer = {.failed = false};
    char byte = 'x';
    assert_int_equal(normd_write_append(&buffer, &byte, 1), 0);
    assert_false(buffer.failed);
    /* Nothing can hold so much; the bytes are not looked at. */
    assert_int_not_equal(normd_write_append(&buffer, &byte, SIZE_MAX / 4), 0);
    assert_true(buffer.failed);
    assert_int_equal(buffer.bytes.size, 1);
    assert_int_equal(normd_write_append(&buffer, &byte, 1), 0);
    assert_true(buffer.failed);
    msgpack_sbuffer_destroy(&buffer.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_and_the_bytes_make_the_whole),
        cmocka_unit_test(a_request_is_an_envelope_and_a_map),
        cmocka_unit_test(an_error_is_always_utf8),
        cmocka_unit_test(the_longest_error_fits),
        cmocka_unit_test(a_failed_append_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
