// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "lib/blas/gemm.h"

/* Small integers: every product and sum is exact, in float, too. */
enum { M = 3, N = 5, K = 4, STRIDE = 7 };

static double a_at(size_t i, size_t k)
{
    return (double)(i * 3 + k) - 4;
}

static double b_at(size_t k, size_t j)
{
    return (double)(k * 2 + j * j) - 7;
}

static void put(double *to64, float *to32, bool transposed, size_t i, size_t j, double value)
{
    size_t place = transposed ? j * STRIDE + i : i * STRIDE + j;
    to64[place] = value;
    to32[place] = (float)value;
}

/* Each way that the three may lie, in both types, with and without adding to C. */
static void check(bool a_flipped, bool b_flipped, bool c_flipped, bool accumulates)
{
    double a64[STRIDE * STRIDE] = {0}, b64[STRIDE * STRIDE] = {0}, c64[STRIDE * STRIDE];
    float a32[STRIDE * STRIDE] = {0}, b32[STRIDE * STRIDE] = {0}, c32[STRIDE * STRIDE];
    for (size_t i = 0; i < STRIDE * STRIDE; i++) {
        c64[i] = 100;
        c32[i] = 100;
    }
    for (size_t k = 0; k < K; k++) {
        for (size_t i = 0; i < M; i++) {
            put(a64, a32, a_flipped, i, k, a_at(i, k));
        }
        for (size_t j = 0; j < N; j++) {
            put(b64, b32, b_flipped, k, j, b_at(k, j));
        }
    }
    normd_gemm gemm = {
        .dtype = NORMD_F64,
        .m = M,
        .n = N,
        .k = K,
        .a = {a64, STRIDE, a_flipped},
        .b = {b64, STRIDE, b_flipped},
        .c = c64,
        .c_stride = STRIDE,
        .c_transposed = c_flipped,
        .accumulates = accumulates,
    };
    normd_gemm_run(&gemm);
    gemm.dtype = NORMD_F32;
    gemm.a.data = a32;
    gemm.b.data = b32;
    gemm.c = c32;
    normd_gemm_run(&gemm);
    for (size_t i = 0; i < M; i++) {
        for (size_t j = 0; j < N; j++) {
            double expected = accumulates ? 100 : 0;
            for (size_t k = 0; k < K; k++) {
                expected += a_at(i, k) * b_at(k, j);
            }
            size_t place = c_flipped ? j * STRIDE + i : i * STRIDE + j;
            assert_true(c64[place] == expected);
            assert_true(c32[place] == (float)expected);
        }
    }
    assert_true(c64[STRIDE - 1] == 100 && c32[STRIDE * (STRIDE - 1)] == 100);
}

static void every_way_to_lie_gives_the_product(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 16; way++) {
        check((way & 1) != 0, (way & 2) != 0, (way & 4) != 0, (way & 8) != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_lie_gives_the_product),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
