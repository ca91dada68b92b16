// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <float.h>

#include "tests/unit/lib/kernels/batch.h"

enum { MOST = 300 };

static double largest_of(storage type)
{
    const double largest[] = {(double)FLT_MAX, DBL_MAX, 65504, 0x1.fep127};
    return largest[type];
}

/* Every position of every short length, around the vector's width and beyond. */
static void one_value_that_is_not_finite_is_found_anywhere(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    const double odd[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (size_t count = 0; count <= MOST; count += 1 + count / 9) {
        for (int t = 0; t < STORAGES; t++) {
            storage type = (storage)t;
            void *x = values_allocate(type, count);
            const double even[] = {0, -1, largest_of(type), -largest_of(type), storage_least(type)};
            for (size_t i = 0; i < count; i++) {
                value_set(type, x, i, even[i % 5]);
            }
            for (size_t r = 0; r < rows; r++) {
                if (!table[r].supported()) {
                    continue;
                }
                assert_true(kernels_of(&table[r], type)->all_finite(x, count));
                for (size_t i = 0; i < count; i++) {
                    double kept = value_get(type, x, i);
                    value_set(type, x, i, odd[i % 4]);
                    assert_false(kernels_of(&table[r], type)->all_finite(x, count));
                    value_set(type, x, i, kept);
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
    for (int t = 0; t < STORAGES; t++) {
        storage type = (storage)t;
        void *x = values_allocate(type, LONG);
        for (size_t i = 0; i < LONG; i++) {
            value_set(type, x, i, 1);
        }
        for (size_t r = 0; r < rows; r++) {
            if (table[r].supported()) {
                const normd_kernel_set *kernels = kernels_of(&table[r], type);
                assert_true(kernels->all_finite(x, LONG));
                value_set(type, x, LONG - 1, NAN);
                assert_false(kernels->all_finite(x, LONG));
                assert_true(kernels->all_finite(x, LONG - 1));
                value_set(type, x, LONG - 1, 1);
            }
        }
        free(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_value_that_is_not_finite_is_found_anywhere),
        cmocka_unit_test(a_long_array_is_looked_at_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
