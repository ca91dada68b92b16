// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <string.h>

#include "daemon/tree.h"

static normd_buffer_cache *cache;
static msgpack_sbuffer buffer;
static msgpack_packer packer;
static msgpack_zone zone;
static msgpack_object object;
static normd_tree_arrays arrays;
static normd_error error;
static json_t *json;

static int set_up(void **state)
{
    (void)state;
    cache = normd_buffer_cache_create(0);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    return cache != NULL && msgpack_zone_init(&zone, 4096) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(json);
    json = NULL;
    normd_tree_arrays_clear(&arrays);
    msgpack_zone_destroy(&zone);
    msgpack_sbuffer_destroy(&buffer);
    normd_buffer_cache_destroy(cache);
    return 0;
}

static normd_status take(void *context, const normd_wire_array *wire, normd_tensor *tensor,
    const char *name, normd_error *problem)
{
    (void)context;
    (void)name;
    normd_status status =
        normd_tensor_take(cache, wire->array.dtype, &wire->array.shape, tensor, problem);
    if (status == NORMD_OK) {
        memcpy(tensor->array.data, wire->array.data, normd_array_bytes(&wire->array));
    }
    return status;
}

/* Reads what was packed. */
static normd_status read_packed(void)
{
    size_t offset = 0;
    normd_message message = {.head = (const uint8_t *)buffer.data, .head_size = buffer.size};
    assert_int_equal(
        msgpack_unpack(buffer.data, buffer.size, &offset, &zone, &object), MSGPACK_UNPACK_SUCCESS);
    normd_tree_reader reader = {.message = &message, .arrays = &arrays, .take = take};
    return normd_tree_read(&reader, "layers", &object, &json, &error);
}

static void pack_text(const char *text)
{
    msgpack_pack_str_with_body(&packer, text, strlen(text));
}

static void plain_values_come_through(void **state)
{
    (void)state;
    msgpack_pack_array(&packer, 8);
    msgpack_pack_nil(&packer);
    msgpack_pack_true(&packer);
    msgpack_pack_false(&packer);
    msgpack_pack_int64(&packer, INT64_MIN);
    msgpack_pack_uint64(&packer, INT64_MAX);
    msgpack_pack_double(&packer, 0.1);
    pack_text("héllo");
    msgpack_pack_bin_with_body(&packer, "bin", 3);
    assert_int_equal(read_packed(), NORMD_OK);
    json_t *expected = json_pack("[n,b,b,I,I,f,s,s]", 1, 0, (json_int_t)INT64_MIN,
        (json_int_t)INT64_MAX, 0.1, "héllo", "bin");
    assert_true(json_equal(json, expected));
    json_decref(expected);
}

static void maps_take_text_keys_of_both_kinds(void **state)
{
    (void)state;
    msgpack_pack_map(&packer, 2);
    msgpack_pack_bin_with_body(&packer, "type", 4);
    pack_text("relu");
    pack_text("list");
    msgpack_pack_array(&packer, 1);
    msgpack_pack_map(&packer, 0);
    assert_int_equal(read_packed(), NORMD_OK);
    json_t *expected = json_pack("{s:s,s:[{}]}", "type", "relu", "list");
    assert_true(json_equal(json, expected));
    json_decref(expected);
}

static void pack_array(const float *values, uint32_t count)
{
    msgpack_pack_map(&packer, 5);
    pack_text("nd");
    msgpack_pack_true(&packer);
    pack_text("type");
    pack_text("<f4");
    pack_text("kind");
    pack_text("");
    pack_text("shape");
    msgpack_pack_array(&packer, 1);
    msgpack_pack_uint32(&packer, count);
    pack_text("data");
    msgpack_pack_bin_with_body(&packer, values, count * sizeof *values);
}

static void arrays_become_references_to_copies(void **state)
{
    (void)state;
    const float first[] = {1, 2, 3}, second[] = {4};
    msgpack_pack_array(&packer, 2);
    pack_array(first, 3);
    msgpack_pack_map(&packer, 1);
    pack_text("init");
    pack_array(second, 1);
    assert_int_equal(read_packed(), NORMD_OK);
    json_t *expected = json_pack("[{s:i},{s:{s:i}}]", "$array", 0, "init", "$array", 1);
    assert_true(json_equal(json, expected));
    json_decref(expected);
    normd_attachments attachments = normd_tree_attachments(&arrays);
    assert_int_equal(attachments.count, 2);
    memset(buffer.data, 0, buffer.size);
    assert_memory_equal(attachments.array[0].data, first, sizeof first);
    assert_memory_equal(attachments.array[1].data, second, sizeof second);
    assert_int_equal((uintptr_t)attachments.array[0].data % NORMD_ALIGNMENT, 0);
}

/* Expects that what was packed is refused with this message. */
static void refused(const char *message)
{
    assert_int_equal(read_packed(), NORMD_BAD_ARGUMENT);
    assert_null(json);
    assert_string_equal(error.message, message);
}

static void numbers_that_json_cannot_say_are_refused_with_their_path(void **state)
{
    (void)state;
    msgpack_pack_array(&packer, 2);
    msgpack_pack_nil(&packer);
    msgpack_pack_map(&packer, 1);
    pack_text("eps");
    msgpack_pack_double(&packer, (double)INFINITY);
    refused("layers[1].eps: expected a finite number, got inf");
}

static void integers_above_int64_are_refused(void **state)
{
    (void)state;
    msgpack_pack_uint64(&packer, UINT64_C(1) << 63);
    refused("layers: expected an integer below 2^63, got 9223372036854775808");
}

static void text_that_is_no_text_is_refused(void **state)
{
    (void)state;
    msgpack_pack_bin_with_body(&packer, "\xff\xfe", 2);
    refused("layers: expected UTF-8 text without zeros, got other bytes");
}

static void text_with_a_zero_is_refused(void **state)
{
    (void)state;
    msgpack_pack_str_with_body(&packer, "a\0b", 3);
    refused("layers: expected UTF-8 text without zeros, got other bytes");
}

static void numbers_as_keys_become_their_digits(void **state)
{
    (void)state;
    msgpack_pack_map(&packer, 1);
    msgpack_pack_int(&packer, 7);
    pack_text("relu");
    assert_int_equal(read_packed(), NORMD_OK);
    json_t *expected = json_pack("{s:s}", "7", "relu");
    assert_true(json_equal(json, expected));
    json_decref(expected);
}

static void keys_that_are_no_text_are_refused(void **state)
{
    (void)state;
    msgpack_pack_map(&packer, 1);
    msgpack_pack_int(&packer, -7);
    msgpack_pack_int(&packer, 7);
    refused("layers: expected a map with short texts as keys, got another key");
}

static void keys_that_stand_twice_are_refused(void **state)
{
    (void)state;
    msgpack_pack_map(&packer, 2);
    for (int i = 0; i < 2; i++) {
        pack_text("eps");
        msgpack_pack_int(&packer, i);
    }
    refused("layers: the key \"eps\" stands twice");
}

static void a_client_cannot_write_array_references_itself(void **state)
{
    (void)state;
    msgpack_pack_map(&packer, 1);
    pack_text("$array");
    msgpack_pack_int(&packer, 0);
    refused("layers: expected no key that starts with \"$\"");
}

static void what_was_read_is_written_again_byte_for_byte(void **state)
{
    (void)state;
    msgpack_pack_map(&packer, 3);
    pack_text("a");
    msgpack_pack_array(&packer, 4);
    msgpack_pack_nil(&packer);
    msgpack_pack_int(&packer, -5);
    msgpack_pack_double(&packer, 2.5);
    msgpack_pack_true(&packer);
    pack_text("b");
    pack_text("text");
    pack_text("c");
    msgpack_pack_false(&packer);
    assert_int_equal(read_packed(), NORMD_OK);
    msgpack_sbuffer again;
    msgpack_packer writer;
    msgpack_sbuffer_init(&again);
    msgpack_packer_init(&writer, &again, msgpack_sbuffer_write);
    normd_tree_write(&writer, json);
    assert_int_equal(again.size, buffer.size);
    assert_memory_equal(again.data, buffer.data, again.size);
    msgpack_sbuffer_destroy(&again);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plain_values_come_through),
        TEST(maps_take_text_keys_of_both_kinds),
        TEST(arrays_become_references_to_copies),
        TEST(numbers_that_json_cannot_say_are_refused_with_their_path),
        TEST(integers_above_int64_are_refused),
        TEST(text_that_is_no_text_is_refused),
        TEST(text_with_a_zero_is_refused),
        TEST(numbers_as_keys_become_their_digits),
        TEST(keys_that_are_no_text_are_refused),
        TEST(keys_that_stand_twice_are_refused),
        TEST(a_client_cannot_write_array_references_itself),
        TEST(what_was_read_is_written_again_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
