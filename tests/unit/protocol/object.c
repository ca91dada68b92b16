// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "protocol/object.h"

static msgpack_object text_object(const char *text, size_t size)
{
    return (msgpack_object){
        .type = MSGPACK_OBJECT_STR, .via.str = {.ptr = text, .size = (uint32_t)size}};
}

static msgpack_object reference(const char *index)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_EXT,
        .via.ext = {.type = NORMD_PAYLOAD_EXT_BIN, .ptr = index, .size = 4}};
}

static void assert_shown(const msgpack_object *object, const char *expected)
{
    char text[NORMD_OBJECT_SHOW_BYTES];
    assert_string_equal(normd_object_show(object, text, sizeof text), expected);
}

static void values_are_shown_in_words(void **state)
{
    (void)state;
    msgpack_object object = {.type = MSGPACK_OBJECT_NIL};
    assert_shown(&object, "nil");
    object = (msgpack_object){.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = true};
    assert_shown(&object, "true");
    object = (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = UINT64_MAX};
    assert_shown(&object, "18446744073709551615");
    object = (msgpack_object){.type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = INT64_MIN};
    assert_shown(&object, "-9223372036854775808");
    object = (msgpack_object){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = 0.5};
    assert_shown(&object, "the float 0.5");
    object = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {.size = 3}};
    assert_shown(&object, "a list of 3");
    object = (msgpack_object){.type = MSGPACK_OBJECT_MAP};
    assert_shown(&object, "a map");
    object = reference("\0\0\0\0");
    assert_shown(&object, "a long run of bytes");
}

static void texts_are_shown_quoted_and_cut(void **state)
{
    (void)state;
    msgpack_object object = text_object("", 0);
    assert_shown(&object, "\"\"");
    object = text_object("a\"b\\\n\xff", 6);
    assert_shown(&object, "\"a\\x22b\\x5c\\x0a\\xff\"");
    object = text_object("0123456789012345678901234567890123456789", 40);
    assert_shown(&object, "\"0123456789012345678901234567890123456789\"");
    object = text_object("01234567890123456789012345678901234567890", 41);
    assert_shown(&object, "\"0123456789012345678901234567890123456789...\"");
    char zeros[41] = {0};
    char text[NORMD_OBJECT_SHOW_BYTES];
    for (size_t size = 0; size <= sizeof zeros; size++) {
        object = text_object(zeros, size);
        normd_object_show(&object, text, sizeof text);
        size_t length = strlen(text);
        assert_int_equal(text[0], '"');
        assert_int_equal(text[length - 1], '"');
        bool whole = length == 2 + 4 * size;
        assert_true(whole || memcmp(text + length - 4, "...\"", 4) == 0);
        assert_int_equal(whole, 2 + 4 * size < sizeof text - 4);
    }
}

static void bytes_are_shown_as_text_where_they_are_printable(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *shown;
        uint32_t size;
    } cases[] = {
        {"epochs", "\"epochs\"", 6},
        {" ~\"", "\" ~\\x22\"", 3},
        {"", "\"\"", 0},
        {"epo\nchs", "7 bytes", 7},
        {"epochs\x7f", "7 bytes", 7},
        {"\xc3\xa4", "2 bytes", 2},
        {"a\0b", "3 bytes", 3},
        {"01234567890123456789012345678901234567890",
            "\"0123456789012345678901234567890123456789...\"", 41},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        msgpack_object object = {
            .type = MSGPACK_OBJECT_BIN, .via.bin = {.ptr = cases[i].bytes, .size = cases[i].size}};
        assert_shown(&object, cases[i].shown);
    }
}

static void bytes_are_found_in_the_head_and_in_payloads(void **state)
{
    (void)state;
    uint8_t data[5] = {1, 2, 3, 4, 5};
    normd_message message = {.payloads = 2};
    message.payload[1] = (normd_payload){.data = data, .size = sizeof data};
    normd_object_bytes bytes;
    msgpack_object object = text_object("abc", 3);
    assert_true(normd_object_get_bytes(&object, &message, &bytes));
    assert_int_equal(bytes.size, 3);
    assert_null(bytes.payload);
    object = reference("\0\0\0\1");
    assert_true(normd_object_get_bytes(&object, &message, &bytes));
    assert_ptr_equal(bytes.data, data);
    assert_ptr_equal(bytes.payload, &message.payload[1]);
    object = reference("\0\0\0\2");
    assert_false(normd_object_get_bytes(&object, &message, &bytes));
    object = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
    assert_false(normd_object_get_bytes(&object, &message, &bytes));
}

static void texts_are_compared_whole(void **state)
{
    (void)state;
    msgpack_object object = text_object("shape", 5);
    assert_true(normd_object_is_text(&object, "shape"));
    assert_false(normd_object_is_text(&object, "shap"));
    assert_false(normd_object_is_text(&object, "shapes"));
    object = text_object("", 0);
    assert_true(normd_object_is_text(&object, ""));
    object = (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = 5};
    assert_false(normd_object_is_text(&object, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_shown_in_words),
        cmocka_unit_test(texts_are_shown_quoted_and_cut),
        cmocka_unit_test(bytes_are_shown_as_text_where_they_are_printable),
        cmocka_unit_test(bytes_are_found_in_the_head_and_in_payloads),
        cmocka_unit_test(texts_are_compared_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
