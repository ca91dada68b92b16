// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <stdio.h>

#include "tests/unit/lib/optimizers/three_steps.h"

#define DECAY(rest)                                                                                \
    "{\"type\": \"exponential_decay\", \"decay_steps\": 1, \"decay_rate\": 0.5" rest "}"

static double lr_at(const char *option, normd_convention convention, uint64_t step)
{
    normd_optimizer *optimizer = make_optimizer(option, convention);
    double lr = normd_optimizer_rate(optimizer, NORMD_ROLE_WEIGHT, step, NULL);
    normd_optimizer_destroy(optimizer);
    return lr;
}

static void a_schedule_of_keras_may_say_the_rate(void **state)
{
    (void)state;
    const char *const options[] = {
        "{\"learning_rate\": " DECAY(", \"initial_learning_rate\": 0.5") "}",
        "{\"schedule\": " DECAY(", \"initial_learning_rate\": 0.5") "}",
        "{\"learning_rate\": 0.5, \"schedule\": " DECAY(", \"initial_learning_rate\": 0.5") "}",
        "{\"learning_rate\": 0.5, \"schedule\": " DECAY("") "}",
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        assert_true(lr_at(options[i], NORMD_KERAS, 1) == 0.5);
        assert_true(lr_at(options[i], NORMD_KERAS, 3) == 0.125);
    }
    assert_true(lr_at("{\"schedule\": " DECAY("") "}", NORMD_KERAS, 1) == 1e-2);
}

static void two_rates_or_two_schedules_are_refused(void **state)
{
    (void)state;
    expect_refused("{\"lr\": 0.25, \"schedule\": " DECAY(", \"initial_learning_rate\": 0.5") "}",
        NORMD_PYTORCH,
        "optimizer.schedule.initial_learning_rate: expected the optimizer's rate 0.25, got 0.5");
    expect_refused("{\"learning_rate\": " DECAY("") "}", NORMD_KERAS,
        "optimizer.learning_rate: expected a schedule that says its rate "
        "(`initial_learning_rate`), "
        "or a number, with the schedule in `schedule`; got a schedule without a rate");
    expect_refused("{\"learning_rate\": {\"type\": \"linear\"}}", NORMD_KERAS,
        "optimizer.learning_rate: expected a schedule that says its rate "
        "(`initial_learning_rate`), "
        "or a number, with the schedule in `schedule`; got a schedule without a rate");
    expect_refused("{\"learning_rate\": " DECAY(", \"initial_learning_rate\": true") "}",
        NORMD_KERAS,
        "optimizer.schedule.initial_learning_rate: expected a number in [0, inf], got true");
    expect_refused("{\"learning_rate\": " DECAY("") ", \"schedule\": " DECAY("") "}", NORMD_KERAS,
        "optimizer.schedule: expected nothing beside a learning_rate that is a schedule");
    expect_refused("{\"lr\": " DECAY("") "}", NORMD_PYTORCH,
        "optimizer.lr: expected a number in [0, inf], got a map");
}

/* Each step is made of three batches, and takes the rate of the last one. */
static void the_unit_of_keras_schedules_is_the_batch(void **state)
{
    (void)state;
    static const char option[] =
        "{\"lr\": 0.5, \"accumulate_steps\": 3, \"schedule\": {\"type\": "
        "\"exponential_decay\", \"decay_steps\": 1, \"decay_rate\": 0.5%s}}";
    static const struct {
        normd_convention convention;
        const char *unit;
        bool batches;
    } rows[] = {
        {NORMD_KERAS, "", true},
        {NORMD_PYTORCH, "", false},
        {NORMD_KERAS, ", \"unit\": \"step\"", false},
        {NORMD_PYTORCH, ", \"unit\": \"batch\"", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        snprintf(text, sizeof text, option, rows[i].unit);
        for (uint64_t step = 1; step <= 3; step++) {
            int tick = (int)(rows[i].batches ? 3 * step - 1 : step - 1);
            assert_true(lr_at(text, rows[i].convention, step) == ldexp(0.5, -tick));
        }
        assert_true(lr_at(text, rows[i].convention, UINT64_MAX) == 0.0);
    }
    expect_refused("{\"schedule\": {\"type\": \"linear\", \"unit\": \"epoch\"}}", NORMD_KERAS,
        "optimizer.schedule.unit: expected one of \"step\", \"batch\", got \"epoch\"");
}

static void batches_that_wait_are_counted(void **state)
{
    (void)state;
    normd_optimizer *optimizer = make_optimizer("{\"accumulate_steps\": 3}", NORMD_PYTORCH);
    double waiting = 2.0;
    assert_int_equal(normd_optimizer_batches(optimizer, 5, &waiting), 17);
    assert_true(normd_optimizer_batches(optimizer, UINT64_MAX - 1, &waiting) == UINT64_MAX);
    waiting = NAN;
    assert_int_equal(normd_optimizer_batches(optimizer, 5, &waiting), 15);
    normd_optimizer_destroy(optimizer);
}

static void one_cycle_needs_a_momentum_to_move(void **state)
{
    (void)state;
    expect_refused("{\"type\": \"adagrad\", \"schedule\": {\"type\": \"one_cycle\", \"max_lr\": 1,"
                   "\"total_steps\": 4}}",
        NORMD_PYTORCH,
        "optimizer.schedule.cycle_momentum: expected false beside type \"adagrad\", which has no "
        "momentum");
    normd_optimizer *optimizer = make_optimizer(
        "{\"schedule\": {\"type\": \"one_cycle\", \"max_lr\": 1, \"total_steps\": 4}}",
        NORMD_PYTORCH);
    double momentum;
    assert_true(normd_optimizer_momentum(optimizer, 1, &momentum) && momentum == 0.95);
    assert_int_equal(normd_optimizer_slots(optimizer), 1);
    normd_optimizer_destroy(optimizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schedule_of_keras_may_say_the_rate),
        cmocka_unit_test(two_rates_or_two_schedules_are_refused),
        cmocka_unit_test(the_unit_of_keras_schedules_is_the_batch),
        cmocka_unit_test(batches_that_wait_are_counted),
        cmocka_unit_test(one_cycle_needs_a_momentum_to_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
