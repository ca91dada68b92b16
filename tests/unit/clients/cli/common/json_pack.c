// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "clients/cli/common/json_pack.h"

static void every_kind_of_json_has_its_messagepack(void **state)
{
    (void)state;
    json_t *json = json_loads("{\"a\": [1, -2, 0.5, true, false, null, \"x\"]}", 0, NULL);
    assert_non_null(json);
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    normd_json_pack(&packer, json);
    static const uint8_t expected[] = {0x81, 0xa1, 'a', 0x97, 0x01, 0xfe, 0xcb, 0x3f, 0xe0, 0, 0, 0,
        0, 0, 0, 0xc3, 0xc2, 0xc0, 0xa1, 'x'};
    assert_int_equal(bytes.size, sizeof expected);
    assert_memory_equal(bytes.data, expected, sizeof expected);
    msgpack_sbuffer_destroy(&bytes);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_json_has_its_messagepack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
