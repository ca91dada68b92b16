// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>

#include "clients/bench/histogram.h"

static int set_up(void **state)
{
    *state = calloc(2, sizeof(normd_histogram));
    return *state == NULL;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static void small_values_are_exact(void **state)
{
    normd_histogram *h = *state;
    for (uint64_t value = 0; value < 128; value++) {
        normd_histogram_record(h, value);
    }
    assert_int_equal(h->count, 128);
    assert_int_equal(normd_histogram_quantile(h, 0.0), 0);
    assert_int_equal(normd_histogram_quantile(h, 0.5), 63);
    assert_int_equal(normd_histogram_quantile(h, 1.0), 127);
}

static void any_value_is_found_within_its_bucket(void **state)
{
    normd_histogram *h = *state;
    /* Each power of two, its neighbours and a value between: the only value of a histogram that
       also holds a greater one is found again, rounded up by less than 1/128. */
    for (unsigned bit = 0; bit < 63; bit++) {
        for (int delta = -1; delta <= 2; delta++) {
            uint64_t base = UINT64_C(1) << bit;
            uint64_t value = delta == 2 ? base + base / 3 : base + (uint64_t)delta;
            *h = (normd_histogram){.count = 0};
            normd_histogram_record(h, value);
            normd_histogram_record(h, UINT64_MAX);
            uint64_t found = normd_histogram_quantile(h, 0.5);
            assert_true(found >= value);
            assert_true(found - value <= value / 128);
        }
    }
    assert_true(normd_histogram_quantile(h, 1.0) == UINT64_MAX);
}

static void quantiles_count_ranks(void **state)
{
    normd_histogram *h = *state;
    for (int k = 0; k < 99; k++) {
        normd_histogram_record(h, 10);
    }
    normd_histogram_record(h, 100000);
    assert_int_equal(normd_histogram_quantile(h, 0.99), 10);
    /* The maximum is exact, not the end of its bucket. */
    assert_int_equal(normd_histogram_quantile(h, 0.991), 100000);
    assert_int_equal(normd_histogram_quantile(h, 1.0), 100000);
}

static void merging_is_recording_both(void **state)
{
    normd_histogram *h = *state;
    normd_histogram_record(&h[0], 5);
    normd_histogram_record(&h[1], 70);
    normd_histogram_record(&h[1], 3000);
    normd_histogram_merge(&h[0], &h[1]);
    assert_int_equal(h[0].count, 3);
    assert_int_equal(h[0].max, 3000);
    assert_int_equal(normd_histogram_quantile(&h[0], 0.5), 70);
}

static void an_empty_histogram_has_no_quantiles(void **state)
{
    assert_int_equal(normd_histogram_quantile(*state, 0.5), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(small_values_are_exact),
        CASE(any_value_is_found_within_its_bucket),
        CASE(quantiles_count_ranks),
        CASE(merging_is_recording_both),
        CASE(an_empty_histogram_has_no_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
