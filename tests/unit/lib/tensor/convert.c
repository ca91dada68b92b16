// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <string.h>

#include "lib/tensor/convert.h"

/* The value of a half by its definition. */
static double half_value(uint16_t half)
{
    int exponent = half >> 10 & 31;
    int fraction = half & 1023;
    double magnitude = exponent == 31  ? (fraction == 0 ? INFINITY : NAN)
                       : exponent == 0 ? ldexp(fraction, -24)
                                       : ldexp(1024 + fraction, exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
}

static void every_half_has_its_value(void **state)
{
    (void)state;
    enum { COUNT = 1 << 16 };
    static uint16_t halves[COUNT];
    static float singles[COUNT];
    static double doubles[COUNT];
    for (int i = 0; i < COUNT; i++) {
        halves[i] = (uint16_t)i;
    }
    normd_convert_values(NORMD_F16, halves, NORMD_F32, singles, COUNT);
    normd_convert_values(NORMD_F16, halves, NORMD_F64, doubles, COUNT);
    for (int i = 0; i < COUNT; i++) {
        double expected = half_value((uint16_t)i);
        if (isnan(expected)) {
            assert_true(isnan(singles[i]) && isnan(doubles[i]));
        } else {
            assert_true((double)singles[i] == expected && doubles[i] == expected);
            assert_true(!signbit(singles[i]) == !signbit(expected));
            assert_true(!signbit(doubles[i]) == !signbit(expected));
        }
    }
}

/* Converts one value that lies one byte off its alignment. */
static void convert_one(normd_dtype from_type, const void *value, float *single, double *wide)
{
    _Alignas(8) unsigned char bytes[9 + 8] = {0};
    memcpy(bytes + 1, value, normd_dtype_size(from_type));
    normd_convert_values(from_type, bytes + 1, NORMD_F32, single, 1);
    normd_convert_values(from_type, bytes + 1, NORMD_F64, wide, 1);
}

#define EXPECT_CONVERTED(dtype, type, value, single_value, double_value)                           \
    do {                                                                                           \
        type given = (value);                                                                      \
        float single;                                                                              \
        double wide;                                                                               \
        convert_one(NORMD_##dtype, &given, &single, &wide);                                        \
        assert_true(single == (single_value));                                                     \
        assert_true(wide == (double_value));                                                       \
    } while (0)

static void every_type_is_converted(void **state)
{
    (void)state;
    EXPECT_CONVERTED(F32, float, 0.1f, 0.1f, 0x1.99999ap-4);
    EXPECT_CONVERTED(F64, double, 0.1, 0.1f, 0.1);
    EXPECT_CONVERTED(I8, int8_t, -128, -128.0f, -128.0);
    EXPECT_CONVERTED(U8, uint8_t, 255, 255.0f, 255.0);
    EXPECT_CONVERTED(I16, int16_t, INT16_MIN, -32768.0f, -32768.0);
    EXPECT_CONVERTED(U16, uint16_t, UINT16_MAX, 65535.0f, 65535.0);
    EXPECT_CONVERTED(I32, int32_t, INT32_MIN, -0x1p31f, -0x1p31);
    EXPECT_CONVERTED(U32, uint32_t, UINT32_MAX, 0x1p32f, 0x1.fffffffep31);
    EXPECT_CONVERTED(I64, int64_t, INT64_MIN, -0x1p63f, -0x1p63);
    EXPECT_CONVERTED(U64, uint64_t, UINT64_MAX, 0x1p64f, 0x1p64);
}

static void rounding_is_to_nearest_even(void **state)
{
    (void)state;
    EXPECT_CONVERTED(I32, int32_t, 16777217, 16777216.0f, 16777217.0);
    EXPECT_CONVERTED(I32, int32_t, 16777219, 16777220.0f, 16777219.0);
    /* Just above the half: rounding to double first would land on the tie, and go down. */
    EXPECT_CONVERTED(U64, uint64_t, (UINT64_C(1) << 60) + (UINT64_C(1) << 36) + 1, 0x1.000002p60f,
        0x1.000001p60);
    EXPECT_CONVERTED(F64, double, 1.0 + 0x1p-24, 1.0f, 1.0 + 0x1p-24);
    EXPECT_CONVERTED(F64, double, 1.0 + 0x1.8p-23, 1.0f + 0x1p-22f, 1.0 + 0x1.8p-23);
    EXPECT_CONVERTED(F64, double, 1e39, INFINITY, 1e39);
}

static void bits_of_the_same_type_are_kept(void **state)
{
    (void)state;
    const uint32_t bits[] = {0x7fa00001u, 0x80000000u, 0xff800000u, 1u};
    float floats[4];
    normd_convert_values(NORMD_F32, bits, NORMD_F32, floats, 4);
    assert_memory_equal(floats, bits, sizeof bits);
}

static void only_the_count_is_written(void **state)
{
    (void)state;
    for (size_t count = 0; count < 40; count++) {
        int16_t from[40];
        float to[41];
        for (size_t i = 0; i < 40; i++) {
            from[i] = (int16_t)(3 * i);
            to[i] = -1.0f;
        }
        normd_convert_values(NORMD_I16, from, NORMD_F32, to, count);
        for (size_t i = 0; i < 40; i++) {
            assert_true(to[i] == (i < count ? 3.0f * (float)i : -1.0f));
        }
    }
}

#define EXPECT_LABELS(name, type, low, high)                                                       \
    do {                                                                                           \
        type values[3] = {(low), 7, (high)};                                                       \
        unsigned char bytes[sizeof values + 1];                                                    \
        memcpy(bytes + 1, values, sizeof values);                                                  \
        normd_array array = {NORMD_##name, {.rank = 1, .dim = {3}}, bytes + 1};                    \
        int64_t labels[3];                                                                         \
        assert_true(normd_convert_labels(&array, labels));                                         \
        assert_true(labels[0] == (int64_t)(low) && labels[1] == 7);                                \
        assert_true(labels[2] == (int64_t)(high));                                                 \
    } while (0)

static void labels_of_every_integer_type_are_read(void **state)
{
    (void)state;
    EXPECT_LABELS(I8, int8_t, INT8_MIN, INT8_MAX);
    EXPECT_LABELS(I16, int16_t, INT16_MIN, INT16_MAX);
    EXPECT_LABELS(I32, int32_t, INT32_MIN, INT32_MAX);
    EXPECT_LABELS(I64, int64_t, INT64_MIN, INT64_MAX);
    EXPECT_LABELS(U8, uint8_t, 0, UINT8_MAX);
    EXPECT_LABELS(U16, uint16_t, 0, UINT16_MAX);
    EXPECT_LABELS(U32, uint32_t, 0, UINT32_MAX);
    EXPECT_LABELS(U64, uint64_t, 0, INT64_MAX);
}

static void a_label_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    uint64_t values[] = {1, UINT64_C(1) << 63, 2};
    normd_array array = {NORMD_U64, {.rank = 1, .dim = {3}}, values};
    int64_t labels[3];
    assert_false(normd_convert_labels(&array, labels));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_has_its_value),
        cmocka_unit_test(every_type_is_converted),
        cmocka_unit_test(rounding_is_to_nearest_even),
        cmocka_unit_test(bits_of_the_same_type_are_kept),
        cmocka_unit_test(only_the_count_is_written),
        cmocka_unit_test(labels_of_every_integer_type_are_read),
        cmocka_unit_test(a_label_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
