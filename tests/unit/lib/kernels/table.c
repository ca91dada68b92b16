// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "lib/kernels/kernels.h"

static void the_rows_stand_from_the_plainest_to_the_widest(void **unused)
{
    (void)unused;
    const char *const names[] = {"reference", "baseline", "avx2", "avx512"};
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    assert_in_range(rows, 2, 4);
    for (size_t r = 0; r < rows; r++) {
        assert_string_equal(table[r].name, names[r]);
    }
    assert_true(table[0].supported());
    assert_true(table[1].supported());
}

static void the_best_supported_row_is_chosen(void **unused)
{
    (void)unused;
    size_t rows, best = 0;
    const normd_kernels *table = normd_kernels_table(&rows);
    for (size_t r = 0; r < rows; r++) {
        best = table[r].supported() ? r : best;
    }
    assert_true(best > 0);
    assert_ptr_equal(normd_kernels_choose(NULL), &table[best]);
    assert_ptr_equal(normd_kernels_choose("auto"), &table[best]);
}

static void a_row_is_found_by_its_name_where_it_is_supported(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    for (size_t r = 0; r < rows; r++) {
        const normd_kernels *want = table[r].supported() ? &table[r] : NULL;
        assert_ptr_equal(normd_kernels_choose(table[r].name), want);
    }
    assert_null(normd_kernels_choose(""));
    assert_null(normd_kernels_choose("AVX2"));
    assert_null(normd_kernels_choose("avx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rows_stand_from_the_plainest_to_the_widest),
        cmocka_unit_test(the_best_supported_row_is_chosen),
        cmocka_unit_test(a_row_is_found_by_its_name_where_it_is_supported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
