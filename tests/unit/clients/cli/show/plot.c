// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <string.h>

#include "clients/cli/show/plot.h"

static char text[NORMD_PLOT_TEXT_BYTES];

static void a_profile_follows_the_values(void **state)
{
    (void)state;
    static const double ramp[] = {0, 1, 2, 3, 4, 5, 6, 7};
    assert_string_equal(normd_plot_profile(ramp, 8, 8, true, text), ".:-=+*#@");
    assert_string_equal(normd_plot_profile(ramp, 8, 8, false, text), "▁▂▃▄▅▆▇█");
    /* Neighbours are averaged: 0.5, 2.5, 4.5, 6.5. */
    assert_string_equal(normd_plot_profile(ramp, 8, 4, true, text), ".-*@");
    assert_string_equal(normd_plot_profile(ramp, 2, 8, true, text), ".@");
    static const double flat[] = {5, 5, 5};
    assert_string_equal(normd_plot_profile(flat, 3, 8, true, text), "...");
    static const double holes[] = {0, NAN, 1, INFINITY};
    assert_string_equal(normd_plot_profile(holes, 4, 8, true, text), ". @ ");
    assert_string_equal(normd_plot_profile(ramp, 0, 8, true, text), "");
}

static void a_histogram_counts_the_values(void **state)
{
    (void)state;
    static const double values[] = {0, 0, 0, 0, 4, 4, 8, NAN};
    assert_string_equal(normd_plot_histogram(values, 8, 4, true, text), "@ =:");
    static const double flat[] = {5, 5};
    assert_string_equal(normd_plot_histogram(flat, 2, 3, true, text), " @ ");
    assert_string_equal(normd_plot_histogram(flat, 0, 3, true, text), "   ");
    /* The widest plot fits. */
    double many[1000];
    for (size_t k = 0; k < 1000; k++) {
        many[k] = (double)k;
    }
    normd_plot_histogram(many, 1000, 100000, false, text);
    assert_int_equal(strlen(text), 3 * NORMD_PLOT_MAX_WIDTH);
}

static void a_bar_fills_up(void **state)
{
    (void)state;
    assert_string_equal(normd_plot_bar(0.0, 4, true, text), "....");
    assert_string_equal(normd_plot_bar(0.5, 4, true, text), "##..");
    assert_string_equal(normd_plot_bar(7.0, 4, true, text), "####");
    assert_string_equal(normd_plot_bar(-1.0, 4, true, text), "....");
}

static void a_summary_leaves_out_what_is_not_finite(void **state)
{
    (void)state;
    static const double values[] = {3, NAN, 1, INFINITY, 2, 10};
    normd_plot_summary summary = normd_plot_summarize(values, 6);
    assert_true(summary.min == 1 && summary.median == 2.5 && summary.max == 10);
    summary = normd_plot_summarize(values, 1);
    assert_true(summary.min == 3 && summary.median == 3 && summary.max == 3);
    summary = normd_plot_summarize(values, 0);
    assert_true(isnan(summary.min) && isnan(summary.median) && isnan(summary.max));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_follows_the_values),
        cmocka_unit_test(a_histogram_counts_the_values),
        cmocka_unit_test(a_bar_fills_up),
        cmocka_unit_test(a_summary_leaves_out_what_is_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
