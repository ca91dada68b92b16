// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "clients/cli/data/batches.h"

static void batches_cover_every_row_once(void **state)
{
    (void)state;
    for (size_t rows = 1; rows < 40; rows++) {
        for (size_t size = 1; size <= rows; size++) {
            for (int merge = 0; merge < 2; merge++) {
                normd_batches batches = normd_batches_plan(rows, size, merge != 0);
                size_t next = 0;
                for (size_t k = 0; k < batches.count; k++) {
                    size_t begin;
                    size_t count = normd_batches_get(&batches, k, &begin);
                    assert_int_equal(begin, next);
                    assert_true(count >= 1 && count <= size + batches.merged);
                    next += count;
                }
                assert_int_equal(next, rows);
            }
        }
    }
}

static void a_last_batch_of_one_row_is_merged(void **state)
{
    (void)state;
    size_t begin;
    normd_batches batches = normd_batches_plan(129, 64, true);
    assert_int_equal(batches.count, 2);
    assert_true(batches.merged);
    assert_int_equal(normd_batches_get(&batches, 1, &begin), 65);
    assert_int_equal(begin, 64);
    assert_int_equal(normd_batches_plan(129, 64, false).count, 3);
    assert_false(normd_batches_plan(130, 64, true).merged);
    /* Nothing to merge into. */
    assert_int_equal(normd_batches_plan(1, 64, true).count, 1);
    assert_int_equal(normd_batches_plan(1, 1, true).count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_cover_every_row_once),
        cmocka_unit_test(a_last_batch_of_one_row_is_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
