// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/kernels/merge.h"

#include "tests/unit/lib/kernels/batch.h"

/* Moments of given values, each of them exact in a double. */
static normd_moments moments_of(double count, double sum, double m2)
{
    return (normd_moments){.count = count, .mean = count == 0 ? 0 : sum / count, .m2 = m2};
}

/* Of values, in 113 bits and then rounded: the mean to twice the precision of double. */
static normd_moments moments_of_values(const double *values, size_t count)
{
    quad sum = 0, m2 = 0;
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
    }
    quad mean = count == 0 ? 0 : sum / (double)count;
    for (size_t i = 0; i < count; i++) {
        m2 += (values[i] - mean) * (values[i] - mean);
    }
    double high = (double)mean;
    return (normd_moments){(double)count, high, (double)(mean - high), (double)m2};
}

static void two_parts_give_the_moments_of_the_whole(void **unused)
{
    (void)unused;
    /* {1, 3} and {7, 9, 11}: mean 31/5, m2 = 261 - 31^2/5 */
    normd_moments total = moments_of(2, 4, 2), part = moments_of(3, 27, 8);
    normd_moments_merge(&total, &part);
    assert_true(total.count == 5);
    assert_true(total.mean == 31.0 / 5);
    /* Right to far more than a double: |31/5 - mean - mean_low| < 2^-100. */
    assert_true(quad_abs((quad)31 / 5 - total.mean - total.mean_low) < 0x1p-100);
    assert_true(fabs(total.m2 - (261 - 961.0 / 5)) <= 68.8 * 0x1p-50);
}

/*
 * Random cuts of all kinds of data. A merge has three roundings in n d^2 a/n, up to two in d (whose
 * parts are right to 2^-104 of the means), squared, and two in adding: in all, at most 9 units of
 * m2 each. For the mean, some four operations of twice the precision of double: their units are
 * 2^-104 of the largest mean so far.
 */
static void any_cut_gives_the_moments_of_the_whole(void **unused)
{
    (void)unused;
    enum { MOST = 400 };
    uint64_t state = 41;
    double values[MOST];
    for (int round = 0; round < 40 * DATA_KIND_COUNT; round++) {
        size_t count = 1 + random_below(&state, MOST), merges = 0;
        size_t chosen = random_below(&state, count);
        for (size_t i = 0; i < count; i++) {
            values[i] =
                random_value((data_kind)(round % DATA_KIND_COUNT), i, count, chosen, &state);
        }
        normd_moments total = {0};
        quad largest = 0;
        for (size_t done = 0; done < count;) {
            size_t some = random_below(&state, count - done + 1); /* of no values, too */
            normd_moments part = moments_of_values(values + done, some);
            normd_moments_merge(&total, &part);
            done += some;
            merges++;
            quad larger = fabs(part.mean) > fabs(total.mean) ? fabs(part.mean) : fabs(total.mean);
            largest = larger > largest ? larger : largest;
        }
        normd_moments want = moments_of_values(values, count);
        quad mean = (quad)want.mean + want.mean_low, got = (quad)total.mean + total.mean_low;
        quad mean_error = largest * 0x1p-104 * (double)(8 * merges) + 0x1p-1074;
        assert_true(total.count == want.count);
        assert_true(quad_abs(got - mean) <= mean_error);
        /* The difference of the means is off by what they are off. */
        quad of_means = 2 * (double)count * mean_error * (2 * largest) * (double)merges;
        quad bound = want.m2 * 0x1p-53 * (double)(9 * merges) + of_means;
        assert_true(quad_abs((quad)total.m2 - want.m2) <= bound);
        assert_true(total.m2 >= 0);
    }
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
    /* 3e30 has 102 bits in all its multiples here, so the sums are those of exact numbers. */
    normd_moments total = moments_of(4, 4 * 0x1p80, 0), part = moments_of(4, 4, 0),
                  opposite = moments_of(8, -8 * 0x1p79, 0);
    normd_moments_merge(&total, &part);
    normd_moments_merge(&total, &opposite);
    assert_true(total.mean == 0.25 && total.mean_low == 0);
    total = moments_of(5, 10, 1);
    opposite = moments_of(5, -10, 1);
    normd_moments_merge(&total, &opposite);
    assert_true(total.mean == 0 && total.mean_low == 0);
    assert_true(total.m2 == 42);
}

/* Four values 1, 1, 1, 1 + h and four values 1 + h, h the last place of 1: the means differ by less
   than their own last place, and so do the digits of m2 = 15/8 h^2 that come of it. */
static void means_closer_than_a_double_are_told_apart(void **unused)
{
    (void)unused;
    const double h = 0x1p-52;
    normd_moments total = {4, 1, h / 4, 0.75 * h * h};
    const normd_moments part = {4, 1 + h, 0, 0};
    normd_moments_merge(&total, &part);
    assert_true(total.m2 == 1.875 * h * h);
    assert_true(total.mean == 1 + h || total.mean == 1);
    assert_true((total.mean - 1) + total.mean_low == 0.625 * h);
}

static void what_is_not_finite_stays_so(void **unused)
{
    (void)unused;
    normd_moments total = moments_of(3, 3, 1);
    const normd_moments odd = {2, NAN, NAN, NAN};
    normd_moments_merge(&total, &odd);
    assert_false(isfinite(total.mean) && isfinite(total.m2));
    const normd_moments part = moments_of(3, 3, 1);
    normd_moments_merge(&total, &part);
    assert_false(isfinite(total.mean) && isfinite(total.m2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_parts_give_the_moments_of_the_whole),
        cmocka_unit_test(any_cut_gives_the_moments_of_the_whole),
        cmocka_unit_test(an_empty_part_changes_nothing),
        cmocka_unit_test(means_that_cancel_leave_what_is_left),
        cmocka_unit_test(means_closer_than_a_double_are_told_apart),
        cmocka_unit_test(what_is_not_finite_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
