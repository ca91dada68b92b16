// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/schedules/make_schedule.h"

/* Notes the values one a tick; gives the rate, from a base of 0.5, after the last. */
static double rate_after(
    const normd_schedule *schedule, double *state, const double *values, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        normd_schedule_note(schedule, i + 1, true, values[i], state);
    }
    return normd_schedule_rate(schedule, state, count + 1, 0.5);
}

static void pytorchs_form_waits_one_tick_longer_than_keras(void **state)
{
    (void)state;
    static const double flat[] = {1, 1, 1, 1};
    const char *option = "{\"type\": \"reduce_on_plateau\", \"patience\": 2, \"factor\": 0.5}";
    normd_schedule *pytorch = make_schedule(option, NORMD_PYTORCH);
    normd_schedule *keras = make_schedule(option, NORMD_KERAS);
    for (uint64_t count = 1; count <= 4; count++) {
        double state_p[NORMD_SCHEDULE_STATE] = {0};
        double state_k[NORMD_SCHEDULE_STATE] = {0};
        assert_true(rate_after(pytorch, state_p, flat, count) == (count >= 4 ? 0.25 : 0.5));
        assert_true(rate_after(keras, state_k, flat, count) == (count >= 3 ? 0.25 : 0.5));
    }
    normd_schedule_destroy(pytorch);
    normd_schedule_destroy(keras);
}

static void a_better_value_begins_the_wait_anew(void **state)
{
    (void)state;
    static const double values[] = {1, 1, 0.5, 0.5, 0.5};
    normd_schedule *schedule =
        make_schedule("{\"type\": \"reduce_on_plateau\", \"patience\": 1}", NORMD_PYTORCH);
    double notes[NORMD_SCHEDULE_STATE] = {0};
    assert_true(rate_after(schedule, notes, values, 4) == 0.5);
    normd_schedule_note(schedule, 5, true, values[4], notes);
    assert_true(normd_schedule_rate(schedule, notes, 6, 0.5) == 0.5 * 0.1);
    normd_schedule_rebase(schedule, notes);
    assert_true(normd_schedule_rate(schedule, notes, 6, 0.5) == 0.5);
    normd_schedule_destroy(schedule);
}

static void losses_count_by_their_mean_over_a_tick(void **state)
{
    (void)state;
    /* Pairs with the means 1, 0.5 and 0.5: the third does not beat the second. */
    static const double losses[] = {2, 0, 0.75, 0.25, 0, 1};
    normd_schedule *schedule = make_schedule(
        "{\"type\": \"reduce_on_plateau\", \"patience\": 0, \"every\": 2, \"factor\": 0.5}",
        NORMD_PYTORCH);
    for (uint64_t count = 1; count <= 6; count++) {
        double notes[NORMD_SCHEDULE_STATE] = {0};
        assert_true(rate_after(schedule, notes, losses, count) == (count == 6 ? 0.25 : 0.5));
    }
    assert_int_equal(normd_schedule_monitors(schedule), NORMD_MONITOR_LOSS);
    normd_schedule_destroy(schedule);
}

static void batches_that_wait_for_a_step_count_to_the_mean(void **state)
{
    (void)state;
    normd_schedule *schedule = make_schedule(
        "{\"type\": \"reduce_on_plateau\", \"patience\": 0, \"factor\": 0.5}", NORMD_PYTORCH);
    double notes[NORMD_SCHEDULE_STATE] = {0};
    /* One step of three batches, whose mean is 2; then one batch a step. */
    normd_schedule_note(schedule, 1, false, 1, notes);
    normd_schedule_note(schedule, 1, false, 2, notes);
    normd_schedule_note(schedule, 1, true, 3, notes);
    normd_schedule_note(schedule, 2, true, 1.5, notes);
    assert_true(normd_schedule_rate(schedule, notes, 3, 0.5) == 0.5);
    normd_schedule_note(schedule, 3, true, 1.5, notes);
    assert_true(normd_schedule_rate(schedule, notes, 4, 0.5) == 0.25);
    normd_schedule_destroy(schedule);
}

static void a_rate_falls_to_its_least_and_no_further(void **state)
{
    (void)state;
    normd_schedule *schedule = make_schedule("{\"type\": \"reduce_on_plateau\", \"patience\": 0,"
                                             "\"factor\": 0.5, \"min_lr\": 0.1}",
        NORMD_PYTORCH);
    double notes[NORMD_SCHEDULE_STATE] = {0};
    static const double flat[8] = {0};
    assert_true(rate_after(schedule, notes, flat, 8) == 0.1);
    /* A group that is below it from the beginning stays there. */
    assert_true(normd_schedule_rate(schedule, notes, 9, 0.05) == 0.05);
    normd_schedule_destroy(schedule);
}

static void the_warm_up_is_not_looked_at(void **state)
{
    (void)state;
    normd_schedule *schedule = make_schedule(
        "{\"type\": \"reduce_on_plateau\", \"patience\": 0, \"warmup\": 4, \"factor\": 0.5}",
        NORMD_PYTORCH);
    double notes[NORMD_SCHEDULE_STATE] = {0};
    static const double flat[6] = {1, 1, 1, 1, 1, 1};
    assert_true(rate_after(schedule, notes, flat, 5) == 0.5);
    normd_schedule_note(schedule, 6, true, 1, notes);
    assert_true(normd_schedule_rate(schedule, notes, 7, 0.5) == 0.25);
    normd_schedule_destroy(schedule);
}

/* A metric is of the weights that the steps so far left, also of none. */
static void metrics_count_from_the_beginning_and_from_the_end_of_the_warm_up(void **state)
{
    (void)state;
    static const char option[] = "{\"type\": \"reduce_on_plateau\", \"monitor\": \"metric\","
                                 "\"patience\": 0, \"factor\": 0.5, \"warmup\": %s}";
    for (uint64_t steps = 0; steps <= 2; steps++) {
        char text[256];
        snprintf(text, sizeof text, option, steps == 0 ? "null" : "2");
        normd_schedule *schedule = make_schedule(text, NORMD_PYTORCH);
        double notes[NORMD_SCHEDULE_STATE] = {0};
        normd_schedule_note(schedule, steps, true, 1, notes);
        normd_schedule_note(schedule, steps, true, 2, notes);
        double rate = normd_schedule_rate(schedule, notes, 3, 0.5);
        assert_true(rate == (steps == 1 ? 0.5 : 0.25));
        normd_schedule_destroy(schedule);
    }
}

static void only_a_plateau_has_a_state(void **state)
{
    (void)state;
    normd_schedule *plateau =
        make_schedule("{\"type\": \"reduce_on_plateau\", \"monitor\": \"metric\"}", NORMD_PYTORCH);
    normd_schedule *linear = make_schedule("\"linear\"", NORMD_PYTORCH);
    assert_int_equal(normd_schedule_states(plateau), NORMD_SCHEDULE_STATE);
    assert_int_equal(normd_schedule_states(linear), 0);
    assert_int_equal(normd_schedule_monitors(plateau), NORMD_MONITOR_METRIC);
    assert_int_equal(normd_schedule_monitors(linear), NORMD_MONITOR_NOTHING);
    normd_schedule_destroy(plateau);
    normd_schedule_destroy(linear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pytorchs_form_waits_one_tick_longer_than_keras),
        cmocka_unit_test(a_better_value_begins_the_wait_anew),
        cmocka_unit_test(losses_count_by_their_mean_over_a_tick),
        cmocka_unit_test(batches_that_wait_for_a_step_count_to_the_mean),
        cmocka_unit_test(a_rate_falls_to_its_least_and_no_further),
        cmocka_unit_test(the_warm_up_is_not_looked_at),
        cmocka_unit_test(metrics_count_from_the_beginning_and_from_the_end_of_the_warm_up),
        cmocka_unit_test(only_a_plateau_has_a_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
