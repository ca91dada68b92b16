// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/kernels/batch.h"

/* Moments of given values, each of them exact in a double. */
static normd_moments moments_of(double count, double sum, double m2)
{
    double mean = count == 0 ? 0 : sum / count;
    return (normd_moments){.count = count, .mean = mean, .m2 = m2, .sum = sum};
}

static void two_parts_give_the_moments_of_the_whole(void **unused)
{
    (void)unused;
    /* {1, 3} and {7, 9, 11}: mean 31/5, m2 = 261 - 31^2/5 */
    normd_moments total = moments_of(2, 4, 2), part = moments_of(3, 27, 8);
    normd_moments_merge(&total, &part);
    assert_true(total.count == 5);
    assert_true(total.sum == 31 && total.sum_low == 0);
    assert_true(total.mean == 31.0 / 5);
    /* Right to far more than a double: |31/5 - mean - mean_low| < 2^-100. */
    assert_true(quad_abs((quad)31 / 5 - total.mean - total.mean_low) < 0x1p-100);
    assert_true(fabs(total.m2 - (261 - 961.0 / 5)) <= 68.8 * 0x1p-50);
}

static void an_empty_part_changes_nothing(void **unused)
{
    (void)unused;
    const normd_moments some = moments_of(4, 6, 2.5), none = {0};
    normd_moments total = some;
    normd_moments_merge(&total, &none);
    assert_memory_equal(&total, &some, sizeof some);
    total = none;
    normd_moments_merge(&total, &some);
    assert_memory_equal(&total, &some, sizeof some);
    total = none;
    normd_moments_merge(&total, &none);
    assert_memory_equal(&total, &none, sizeof none);
}

static void means_that_cancel_leave_what_is_left(void **unused)
{
    (void)unused;
    normd_moments total = moments_of(3, 3e30, 0), part = moments_of(1, 1, 0),
                  opposite = moments_of(3, -3e30, 0);
    normd_moments_merge(&total, &part);
    normd_moments_merge(&total, &opposite);
    assert_true(total.sum == 1 && total.sum_low == 0);
    assert_true(total.mean == 1.0 / 7);
}

/* Four values 1, 1, 1, 1 + h and four values 1 + h, h the last place of 1: the means differ by less
   than their own last place, and so do the digits of m2 = 15/8 h^2 that come of it. */
static void means_closer_than_a_double_are_told_apart(void **unused)
{
    (void)unused;
    const double h = 0x1p-52;
    normd_moments total = {4, 1, h / 4, 0.75 * h * h, 4, h};
    const normd_moments part = {4, 1 + h, 0, 0, 4 + 4 * h, 0};
    normd_moments_merge(&total, &part);
    assert_true(total.m2 == 1.875 * h * h);
    assert_true(total.mean == 1 + h || total.mean == 1);
    assert_true((total.mean - 1) + total.mean_low == 0.625 * h);
}

static void what_is_not_finite_stays_so(void **unused)
{
    (void)unused;
    normd_moments total = moments_of(3, 3, 1);
    const normd_moments odd = {2, NAN, NAN, NAN, INFINITY, NAN};
    normd_moments_merge(&total, &odd);
    assert_false(isfinite(total.mean) && isfinite(total.m2));
    const normd_moments part = moments_of(3, 3, 1);
    normd_moments_merge(&total, &part);
    assert_false(isfinite(total.mean) && isfinite(total.m2));
}

static void merging_many_channels_gives_the_bits_of_one_by_one(void **unused)
{
    (void)unused;
    enum { CHANNELS = 100 };
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 41;
    for (size_t channels = 0; channels <= CHANNELS; channels++) {
        normd_moments totals[CHANNELS], parts[CHANNELS], want[CHANNELS], got[CHANNELS];
        for (size_t c = 0; c < CHANNELS; c++) {
            totals[c] = moments_of((double)random_below(&state, 4), random_unit(&state), 1);
            parts[c] = moments_of((double)random_below(&state, 4), 1e9 * random_unit(&state), 2);
            totals[c] = totals[c].count == 0 ? (normd_moments){0} : totals[c];
            parts[c] = parts[c].count == 0 ? (normd_moments){0} : parts[c];
        }
        memcpy(want, totals, sizeof want);
        for (size_t c = 0; c < channels; c++) {
            normd_moments_merge(&want[c], &parts[c]);
        }
        for (size_t r = 0; r < rows; r++) {
            if (table[r].supported()) {
                memcpy(got, totals, sizeof got);
                table[r].f32.merge(got, parts, channels);
                assert_memory_equal(got, want, sizeof got);
                memcpy(got, totals, sizeof got);
                table[r].f64.merge(got, parts, channels);
                assert_memory_equal(got, want, sizeof got);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_parts_give_the_moments_of_the_whole),
        cmocka_unit_test(an_empty_part_changes_nothing),
        cmocka_unit_test(means_that_cancel_leave_what_is_left),
        cmocka_unit_test(means_closer_than_a_double_are_told_apart),
        cmocka_unit_test(what_is_not_finite_stays_so),
        cmocka_unit_test(merging_many_channels_gives_the_bits_of_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
