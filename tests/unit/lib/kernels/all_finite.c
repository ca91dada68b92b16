// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <float.h>

#include "tests/unit/lib/kernels/batch.h"

enum { MOST = 300 };

/* Every position of every short length, around the vector's width and beyond. */
static void one_value_that_is_not_finite_is_found_anywhere(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    const double odd[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (size_t count = 0; count <= MOST; count += 1 + count / 9) {
        for (int bits = 32; bits <= 64; bits += 32) {
            void *x = values_allocate(bits, count);
            for (size_t i = 0; i < count; i++) {
                const double even[] = {0, -1, bits == 32 ? FLT_MAX : DBL_MAX,
                    bits == 32 ? -FLT_MAX : -DBL_MAX, bits == 32 ? 0x1p-149 : 0x1p-1074};
                value_set(bits, x, i, even[i % 5]);
            }
            for (size_t r = 0; r < rows; r++) {
                if (!table[r].supported()) {
                    continue;
                }
                assert_true(kernels_of(&table[r], bits)->all_finite(x, count));
                for (size_t i = 0; i < count; i++) {
                    double kept = value_get(bits, x, i);
                    value_set(bits, x, i, odd[i % 4]);
                    assert_false(kernels_of(&table[r], bits)->all_finite(x, count));
                    value_set(bits, x, i, kept);
                }
            }
            free(x);
        }
    }
}

static void a_long_array_is_looked_at_to_its_end(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    enum { LONG = 100003 };
    float *x = values_allocate(32, LONG);
    for (size_t i = 0; i < LONG; i++) {
        x[i] = 1;
    }
    for (size_t r = 0; r < rows; r++) {
        if (table[r].supported()) {
            assert_true(table[r].f32.all_finite(x, LONG));
            x[LONG - 1] = NAN;
            assert_false(table[r].f32.all_finite(x, LONG));
            assert_true(table[r].f32.all_finite(x, LONG - 1));
            x[LONG - 1] = 1;
        }
    }
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_value_that_is_not_finite_is_found_anywhere),
        cmocka_unit_test(a_long_array_is_looked_at_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
