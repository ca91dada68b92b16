// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/kernels/half.h"

#include "tests/unit/lib/kernels/batch.h"

/* A 16-bit format with a sign, and how many bits the others have. */
typedef struct format {
    float (*widen)(uint16_t half);
    uint16_t (*narrow)(float value);
    int exponent_bits, fraction_bits;
} format;

static const format formats[] = {
    {normd_f16_widen, normd_f16_narrow, 5, 10},
    {normd_bf16_widen, normd_bf16_narrow, 8, 7},
};
enum { FORMATS = 2, HALVES = 1 << 16 };

static int bias_of(const format *of)
{
    return (1 << (of->exponent_bits - 1)) - 1;
}

/* By the definition of IEEE 754. */
static double value_of(const format *of, unsigned half)
{
    int exponent = (int)(half >> of->fraction_bits) & ((1 << of->exponent_bits) - 1);
    int fraction = (int)half & ((1 << of->fraction_bits) - 1);
    double sign = half >> 15 != 0 ? -1 : 1;
    if (exponent == (1 << of->exponent_bits) - 1) {
        return fraction != 0 ? NAN : sign * INFINITY;
    }
    if (exponent == 0) {
        return sign * ldexp(fraction, 1 - bias_of(of) - of->fraction_bits);
    }
    return sign *
           ldexp(fraction + (1 << of->fraction_bits), exponent - bias_of(of) - of->fraction_bits);
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static void every_half_widens_to_its_value(void **unused)
{
    (void)unused;
    for (int f = 0; f < FORMATS; f++) {
        for (unsigned half = 0; half < HALVES; half++) {
            double got = (double)formats[f].widen((uint16_t)half);
            assert_true(same(got, value_of(&formats[f], half)));
        }
    }
}

static void every_half_comes_back_from_float(void **unused)
{
    (void)unused;
    for (int f = 0; f < FORMATS; f++) {
        for (unsigned half = 0; half < HALVES; half++) {
            uint16_t back = formats[f].narrow(formats[f].widen((uint16_t)half));
            double value = value_of(&formats[f], half);
            assert_true(isnan(value) ? isnan(value_of(&formats[f], back)) : back == half);
        }
    }
}

/* The nearest multiple of the last place, in doubles, where all steps but rint are exact; rint
   rounds to even. At the range's end a multiple that is too large is infinity. */
static double rounded(const format *of, double value)
{
    if (value == 0 || !isfinite(value)) {
        return value;
    }
    int least = 1 - bias_of(of), exponent = ilogb(value);
    int place = (exponent > least ? exponent : least) - of->fraction_bits;
    double nearest = ldexp(rint(ldexp(value, -place)), place);
    return fabs(nearest) >= ldexp(1, bias_of(of) + 1) ? copysign(INFINITY, value) : nearest;
}

static void check_narrow(const format *of, float value)
{
    double want = rounded(of, (double)value), got = value_of(of, of->narrow(value));
    if (!same(got, want)) {
        fail_msg("%d bits of fraction: %a gives %a instead of %a", of->fraction_bits, (double)value,
            got, want);
    }
}

static void any_float_is_rounded_to_the_nearest_half(void **unused)
{
    (void)unused;
    uint64_t state = 61;
    for (int i = 0; i < 500000; i++) {
        uint64_t bits = random_bits(&state);
        float any = normd_float_of_bits((uint32_t)bits);
        /* Of the range of a half, with its denormals and a little beyond. */
        float small = ldexpf((float)random_unit(&state), (int)(bits >> 32) % 46 - 28);
        for (int f = 0; f < FORMATS; f++) {
            check_narrow(&formats[f], any);
            check_narrow(&formats[f], small);
        }
    }
}

/* Halfway between two neighbours, and a last place of float to either side: among others between
   the largest value and infinity, between denormals, and between 0 and the least of them. */
static void ties_go_to_even(void **unused)
{
    (void)unused;
    for (int f = 0; f < FORMATS; f++) {
        const format *of = &formats[f];
        for (unsigned half = 0; half < HALVES / 2; half++) {
            double a = value_of(of, half), b = value_of(of, half + 1);
            if (isinf(b)) {
                b = ldexp(1, bias_of(of) + 1);
            }
            if (!isfinite(a) || isnan(b)) {
                continue;
            }
            float middle = (float)((a + b) / 2);
            check_narrow(of, middle);
            check_narrow(of, -middle);
            check_narrow(of, nextafterf(middle, 0));
            check_narrow(of, nextafterf(middle, INFINITY));
            uint16_t tie = of->narrow(middle);
            assert_int_equal(tie % 2, 0);
        }
    }
}

static void a_nan_stays_one_whatever_its_payload(void **unused)
{
    (void)unused;
    for (int f = 0; f < FORMATS; f++) {
        for (int place = 0; place < 23; place++) {
            uint32_t bits = 0x7f800000u | 1u << place;
            assert_true(isnan(value_of(&formats[f], formats[f].narrow(normd_float_of_bits(bits)))));
            bits |= 0x80000000u;
            assert_true(isnan(value_of(&formats[f], formats[f].narrow(normd_float_of_bits(bits)))));
        }
        uint32_t all = 0x7fffffffu;
        assert_true(isnan(value_of(&formats[f], formats[f].narrow(normd_float_of_bits(all)))));
    }
}

/* Vectors convert with instructions or expressions of their own: every row of the table, for every
   half, through dx = dy * 1. Narrowing with values between the halves: dy * 1.5 and dy / 3. */
static void every_instruction_set_converts_alike(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    const normd_geometry geometry = {1, 1, HALVES};
    const normd_tile tile = tile_whole(&geometry);
    uint16_t *from = values_allocate(STORAGE_F16, HALVES),
             *to = values_allocate(STORAGE_F16, HALVES);
    for (unsigned half = 0; half < HALVES; half++) {
        from[half] = (uint16_t)half;
    }
    const float scales[] = {1, 1.5f, 1 / 3.0f, 0x1.004p-3f, 0x1p-13f, 0x1.8p9f};
    for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++) {
        const normd_backprojector by = {.scale = &scales[s]};
        for (size_t r = 0; r < rows; r++) {
            for (int f = 0; f < FORMATS && table[r].supported(); f++) {
                const normd_kernel_set *kernels = f == 0 ? &table[r].f16 : &table[r].bf16;
                kernels->backward(
                    from, from, to, &geometry, &tile, NULL, NULL, &by, NORMD_STORES_CACHED);
                for (unsigned half = 0; half < HALVES; half++) {
                    float product = (float)value_of(&formats[f], half) * scales[s];
                    double want = rounded(&formats[f], (double)product);
                    assert_true(same(value_of(&formats[f], to[half]), want));
                }
            }
        }
    }
    free(from);
    free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_widens_to_its_value),
        cmocka_unit_test(every_half_comes_back_from_float),
        cmocka_unit_test(any_float_is_rounded_to_the_nearest_half),
        cmocka_unit_test(ties_go_to_even),
        cmocka_unit_test(a_nan_stays_one_whatever_its_payload),
        cmocka_unit_test(every_instruction_set_converts_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
