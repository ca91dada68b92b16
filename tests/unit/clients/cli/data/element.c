// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>

#include "clients/cli/data/element.h"

static double load_half(uint16_t bits)
{
    const normd_array array = {.dtype = NORMD_F16, .shape = {.rank = 1, .dim = {1}}, .data = &bits};
    return normd_element_load(&array, 0);
}

static void half_floats_are_exact(void **state)
{
    (void)state;
    assert_true(load_half(0x3c00) == 1.0);
    assert_true(load_half(0xc000) == -2.0);
    assert_true(load_half(0x7bff) == 65504.0);
    assert_true(load_half(0x0001) == 0x1p-24);
    assert_true(load_half(0x03ff) == 1023 * 0x1p-24);
    assert_true(load_half(0x0400) == 0x1p-14);
    assert_true(load_half(0x8000) == 0.0 && signbit(load_half(0x8000)));
    assert_true(load_half(0xfc00) == (double)-INFINITY);
    assert_true(isnan(load_half(0x7e00)));
}

static void integers_keep_their_sign(void **state)
{
    (void)state;
    static uint8_t bytes[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const struct {
        normd_dtype dtype;
        double value;
    } cases[] = {{NORMD_I8, -1}, {NORMD_I16, -1}, {NORMD_I32, -1}, {NORMD_I64, -1}, {NORMD_U8, 255},
        {NORMD_U16, 65535}, {NORMD_U32, 4294967295.0}, {NORMD_U64, 18446744073709551616.0},
        {NORMD_BOOL, 1}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        _Alignas(8) uint8_t aligned[8];
        for (size_t j = 0; j < 8; j++) {
            aligned[j] = bytes[j];
        }
        const normd_array array = {
            .dtype = cases[k].dtype, .shape = {.rank = 1, .dim = {1}}, .data = aligned};
        assert_true(normd_element_load(&array, 0) == cases[k].value);
    }
}

static void argmax_is_the_first_of_the_greatest(void **state)
{
    (void)state;
    float values[] = {9, 9, 1, 3, 3, 2};
    const normd_array array = {
        .dtype = NORMD_F32, .shape = {.rank = 1, .dim = {6}}, .data = values};
    assert_int_equal(normd_element_argmax(&array, 0, 6), 0);
    assert_int_equal(normd_element_argmax(&array, 2, 4), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_floats_are_exact),
        cmocka_unit_test(integers_keep_their_sign),
        cmocka_unit_test(argmax_is_the_first_of_the_greatest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
