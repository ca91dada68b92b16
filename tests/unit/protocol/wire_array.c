// SPDX-License-Identifier: Apache-2.0
/* The vectors check each way in which an array can be wrong; here are the properties. */
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "protocol/writer.h"
#include "tests/unit/protocol/support/random.h"

/* Unpacks one value; the zone holds its objects. */
static msgpack_object unpack(msgpack_zone *zone, const msgpack_sbuffer *bytes)
{
    msgpack_object object;
    size_t used = 0;
    msgpack_zone_clear(zone);
    assert_int_equal(
        msgpack_unpack(bytes->data, bytes->size, &used, zone, &object), MSGPACK_UNPACK_SUCCESS);
    return object;
}

static normd_array random_array(test_random *random, uint8_t *data)
{
    normd_array array = {
        .dtype = (normd_dtype)test_random_below(random, NORMD_DTYPE_COUNT), .data = data};
    array.shape.rank = (uint32_t)test_random_below(random, NORMD_MAX_RANK + 1);
    for (uint32_t axis = 0; axis < array.shape.rank; axis++) {
        array.shape.dim[axis] = test_random_below(random, 3);
    }
    for (size_t i = 0; i < normd_array_bytes(&array); i++) {
        data[i] = (uint8_t)test_random_next(random);
    }
    return array;
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    test_random random = {21};
    msgpack_zone zone;
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    msgpack_zone_init(&zone, 1024);
    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    for (int round = 0; round < 5000; round++) {
        uint8_t data[256 * 8];
        normd_array array = random_array(&random, data);
        normd_keys keys = round % 2 == 0 ? NORMD_KEYS_STR : NORMD_KEYS_BIN;
        msgpack_sbuffer_clear(&bytes);
        normd_write_array(&packer, &array, keys);
        msgpack_object object = unpack(&zone, &bytes);
        normd_message message = {.payloads = 0};
        normd_wire_array read;
        assert_true(normd_wire_array_is(&object));
        assert_int_equal(normd_wire_array_decode(&object, &message, "x", &read, NULL), NORMD_OK);
        assert_int_equal(read.keys, keys);
        assert_int_equal(read.array.dtype, array.dtype);
        assert_true(normd_shape_equal(&read.array.shape, &array.shape));
        assert_null(read.payload);
        assert_memory_equal(read.array.data, data, normd_array_bytes(&array));
    }
    msgpack_sbuffer_destroy(&bytes);
    msgpack_zone_destroy(&zone);
}

/* Whatever a damaged array map decodes to, its view lies inside the message and has its size. */
static void a_damaged_array_is_refused_or_fits(void **state)
{
    (void)state;
    test_random random = {22};
    msgpack_zone zone;
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    msgpack_zone_init(&zone, 1024);
    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    int refused = 0;
    for (int round = 0; round < 5000; round++) {
        uint8_t data[256 * 8];
        normd_array array = random_array(&random, data);
        msgpack_sbuffer_clear(&bytes);
        normd_write_array(&packer, &array, NORMD_KEYS_STR);
        /* Only the small numbers and letters of the header, so that it stays MessagePack. */
        size_t header = bytes.size - normd_array_bytes(&array);
        size_t at = test_random_below(&random, header);
        if ((uint8_t)bytes.data[at] < 0x80) {
            bytes.data[at] = (char)test_random_below(&random, 0x80);
        }
        msgpack_object object;
        size_t used = 0;
        msgpack_zone_clear(&zone);
        if (msgpack_unpack(bytes.data, bytes.size, &used, &zone, &object) < 0) {
            continue;
        }
        normd_message message = {.payloads = 0};
        normd_wire_array read;
        if (normd_wire_array_decode(&object, &message, "x", &read, NULL) != NORMD_OK) {
            refused++;
            continue;
        }
        const char *begin = read.array.data;
        assert_true(begin >= bytes.data);
        assert_true(begin + normd_array_bytes(&read.array) <= bytes.data + bytes.size);
    }
    assert_true(refused > 1000);
    msgpack_sbuffer_destroy(&bytes);
    msgpack_zone_destroy(&zone);
}

static void other_values_are_no_arrays(void **state)
{
    (void)state;
    msgpack_object object = {.type = MSGPACK_OBJECT_NIL};
    assert_false(normd_wire_array_is(&object));
    object = (msgpack_object){.type = MSGPACK_OBJECT_MAP};
    assert_false(normd_wire_array_is(&object));
    msgpack_object_kv pair = {.key = {.type = MSGPACK_OBJECT_STR, .via.str = {4, "type"}}};
    object.via.map = (msgpack_object_map){.size = 1, .ptr = &pair};
    assert_false(normd_wire_array_is(&object));
    pair.key.via.str = (msgpack_object_str){2, "nd"};
    assert_true(normd_wire_array_is(&object));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_damaged_array_is_refused_or_fits),
        cmocka_unit_test(other_values_are_no_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
