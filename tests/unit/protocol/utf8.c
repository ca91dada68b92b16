// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "protocol/utf8.h"

/* Writes a code point of the range that takes `length` bytes, without any check. */
static void encode(uint32_t point, size_t length, char *bytes)
{
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    bytes[0] = (char)(lead[length] | point);
}

/* All two, three and four byte forms: those that RFC 3629 allows, and no other. */
static void exactly_the_characters_of_the_standard_are_taken(void **state)
{
    (void)state;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const uint32_t beyond[] = {0, 0, 0x800, 0x10000, 0x200000};
    for (size_t length = 2; length <= 4; length++) {
        for (uint32_t point = 0; point < beyond[length]; point++) {
            char bytes[4];
            encode(point, length, bytes);
            bool surrogate = point >= 0xd800 && point <= 0xdfff;
            bool valid = point >= least[length] && point <= 0x10ffff && !surrogate;
            size_t expected = valid ? length : 0;
            if (normd_utf8_next(bytes, length) != expected) {
                fail_msg("U+%04X in %zu bytes", point, length);
            }
            if (normd_utf8_next(bytes, length - 1) != 0) {
                fail_msg("U+%04X in %zu bytes, cut", point, length);
            }
        }
    }
    for (int byte = 0; byte < 256; byte++) {
        char text = (char)byte;
        assert_int_equal(normd_utf8_next(&text, 1), byte < 0x80 ? 1 : 0);
    }
    assert_int_equal(normd_utf8_next("", 0), 0);
}

static void a_broken_character_is_not_taken(void **state)
{
    (void)state;
    assert_int_equal(normd_utf8_next("\xe2\x82(", 3), 0);
    assert_int_equal(normd_utf8_next("\xf0\x9f\x98(", 4), 0);
    assert_int_equal(normd_utf8_next("\xf8\x88\x80\x80\x80", 5), 0);
}

static void plain_text_has_no_control_characters(void **state)
{
    (void)state;
    assert_true(normd_utf8_is_plain("", 0));
    assert_true(normd_utf8_is_plain("mod\xc3\xa8le 1", 9));
    assert_true(normd_utf8_is_plain("\xc2\xa0", 2));
    assert_false(normd_utf8_is_plain("a\0b", 3));
    assert_false(normd_utf8_is_plain("a\nb", 3));
    assert_false(normd_utf8_is_plain("\x7f", 1));
    assert_false(normd_utf8_is_plain("\xc2\x85", 2));
    assert_false(normd_utf8_is_plain("ok\xff", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_the_characters_of_the_standard_are_taken),
        cmocka_unit_test(a_broken_character_is_not_taken),
        cmocka_unit_test(plain_text_has_no_control_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
