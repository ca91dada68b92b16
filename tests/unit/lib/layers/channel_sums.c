// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>

#include "lib/layers/channel_sums.h"

/* Small integers: every sum is exact in double, and these here in float. */
static double value_at(size_t i)
{
    return (double)(i * 7 % 13) - 6;
}

static void check(
    normd_dtype dtype, size_t arrays, size_t outer, size_t channels, size_t inner, double divisor)
{
    normd_pool *pool = normd_pool_create(2);
    normd_compute compute = {
        .pool = pool,
        .kernels = &normd_kernels_choose(NULL)->f32,
        .dtype = dtype,
    };
    size_t count = arrays * outer * channels * inner;
    double *values = calloc(count + 1, sizeof *values);
    double *sums = calloc(arrays * channels, sizeof *sums);
    assert_non_null(values);
    assert_non_null(sums);
    for (size_t i = 0; i < count; i++) {
        normd_value_store(dtype, values, i, value_at(i));
    }
    normd_channel_sums_run(
        &compute, &(normd_channel_sums){arrays, outer, channels, inner, divisor, values, sums});
    for (size_t a = 0; a < arrays; a++) {
        for (size_t c = 0; c < channels; c++) {
            double expected = 0;
            for (size_t o = 0; o < outer; o++) {
                for (size_t i = 0; i < inner; i++) {
                    expected += value_at(((a * outer + o) * channels + c) * inner + i);
                }
            }
            assert_true(normd_value_load(dtype, sums, a * channels + c) == expected / divisor);
        }
    }
    free(values);
    free(sums);
    normd_pool_destroy(pool);
}

static void each_channel_is_added_up(void **state)
{
    (void)state;
    const normd_dtype types[] = {NORMD_F32, NORMD_F64};
    for (size_t t = 0; t < 2; t++) {
        check(types[t], 1, 100, 130, 1, 1);
        check(types[t], 1, 9, 5, 37, 1);
        check(types[t], 3, 64, 70, 1, 64);
        check(types[t], 3, 1, 7, 64, 64);
        check(types[t], 2, 300, 65, 1, 1);
        check(types[t], 1, 1, 1, 1, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_channel_is_added_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
