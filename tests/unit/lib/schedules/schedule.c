// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "tests/unit/lib/schedules/make_schedule.h"

static const char *const every_kind[] = {
    "{\"type\": \"step\", \"step_size\": 3}",
    "{\"type\": \"multi_step\", \"milestones\": [1, 2]}",
    "{\"type\": \"exponential\", \"gamma\": 0.5}",
    "{\"type\": \"cosine_annealing\", \"T_max\": 10}",
    "{\"type\": \"cosine_annealing_warm_restarts\", \"T_0\": 10}",
    "\"linear\"",
    "\"polynomial\"",
    "\"constant\"",
    "{\"type\": \"one_cycle\", \"max_lr\": 1, \"total_steps\": 10}",
    "\"reduce_on_plateau\"",
    "{\"type\": \"exponential_decay\", \"decay_steps\": 3, \"decay_rate\": 0.5}",
    "{\"type\": \"piecewise_constant_decay\", \"boundaries\": [3], \"values\": [0.5, 0.25]}",
    "{\"type\": \"polynomial_decay\", \"decay_steps\": 3}",
    "{\"type\": \"inverse_time_decay\", \"decay_steps\": 3, \"decay_rate\": 0.5}",
    "{\"type\": \"cosine_decay\", \"decay_steps\": 3}",
    "{\"type\": \"cosine_decay_restarts\", \"first_decay_steps\": 3}",
};
enum { KINDS = sizeof every_kind / sizeof *every_kind };

static void a_description_makes_the_same_schedule_in_any_convention(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        normd_schedule *schedule = make_schedule(every_kind[i], NORMD_KERAS);
        json_t *description = normd_schedule_describe(schedule);
        char *text = json_dumps(description, 0);
        normd_schedule *again = make_schedule(text, NORMD_PYTORCH);
        json_t *repeated = normd_schedule_describe(again);
        assert_true(json_equal(description, repeated));
        json_decref(repeated);
        json_decref(description);
        free(text);
        normd_schedule_destroy(again);
        normd_schedule_destroy(schedule);
    }
}

static void a_tick_is_as_many_steps_as_every_says(void **state)
{
    (void)state;
    normd_schedule *schedule =
        make_schedule("{\"type\": \"exponential\", \"gamma\": 0.5, \"every\": 4}", NORMD_PYTORCH);
    static const double rates[9] = {1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25};
    for (uint64_t step = 1; step <= 9; step++) {
        assert_true(normd_schedule_rate(schedule, NULL, step, 1.0) == rates[step - 1]);
    }
    normd_schedule_destroy(schedule);
}

static void a_schedule_begins_behind_the_step_start(void **state)
{
    (void)state;
    normd_schedule *schedule = make_schedule(
        "{\"type\": \"exponential\", \"gamma\": 0.5, \"every\": 2, \"start\": 3}", NORMD_PYTORCH);
    static const double rates[8] = {1, 1, 1, 1, 1, 0.5, 0.5, 0.25};
    for (uint64_t step = 1; step <= 8; step++) {
        assert_true(normd_schedule_rate(schedule, NULL, step, 1.0) == rates[step - 1]);
    }
    normd_schedule_destroy(schedule);
}

static void a_warm_up_goes_before_the_schedule(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "{\"type\": \"step\", \"step_size\": 2, \"gamma\": 0.5,"
        "\"warmup\": {\"total_iters\": 4, \"start_factor\": 0}}",
        "{\"type\": \"StepLR\", \"step_size\": 2, \"gamma\": 0.5, \"warmup\": 3}",
    };
    static const double rates[2][7] = {
        {0, 0.25, 0.5, 0.75, 1, 1, 0.5}, {1.0 / 3, 5.0 / 9, 7.0 / 9, 1, 1, 0.5, 0.5}};
    for (size_t form = 0; form < 2; form++) {
        normd_schedule *schedule = make_schedule(forms[form], NORMD_PYTORCH);
        for (uint64_t step = 1; step <= 7; step++) {
            double rate = normd_schedule_rate(schedule, NULL, step, 1.0);
            assert_true(fabs(rate - rates[form][step - 1]) <= 0x1p-52);
        }
        normd_schedule_destroy(schedule);
    }
}

static void keras_schedules_say_their_initial_rate(void **state)
{
    (void)state;
    json_t *decay = json_pack("{s:s, s:f}", "type", "CosineDecay", "initial_learning_rate", 0.25);
    json_t *pieces =
        json_pack("{s:s, s:[f, f]}", "type", "piecewise_constant_decay", "values", 0.125, 0.0625);
    json_t *step = json_pack("{s:s, s:f}", "type", "step", "initial_learning_rate", 0.25);
    double lr;
    assert_true(normd_schedule_initial_rate(decay, &lr) && lr == 0.25);
    assert_true(normd_schedule_initial_rate(pieces, &lr) && lr == 0.125);
    assert_false(normd_schedule_initial_rate(step, &lr));
    json_decref(decay);
    json_decref(pieces);
    json_decref(step);
}

static void expect_refused(const char *option, const char *message)
{
    json_t *json = json_loads(option, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    normd_schedule *schedule;
    normd_error error = {.status = NORMD_OK};
    normd_status status =
        normd_schedule_create(json, NORMD_PYTORCH, 0.5, "optimizer.schedule", &schedule, &error);
    json_decref(json);
    assert_int_equal(status, NORMD_BAD_ARGUMENT);
    assert_null(schedule);
    assert_string_equal(error.message, message);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    expect_refused("{\"type\": \"lambda\"}",
        "optimizer.schedule.type: expected \"step\", \"multi_step\", \"exponential\", "
        "\"cosine_annealing\", \"cosine_annealing_warm_restarts\", \"linear\", \"polynomial\", "
        "\"constant\", \"one_cycle\", \"reduce_on_plateau\", \"exponential_decay\", "
        "\"piecewise_constant_decay\", \"polynomial_decay\", \"inverse_time_decay\", "
        "\"cosine_decay\", \"cosine_decay_restarts\", got \"lambda\"");
    expect_refused(
        "\"step\"", "optimizer.schedule.step_size: expected a number of ticks, got nothing");
    expect_refused("{\"type\": \"step\", \"step_size\": 0}",
        "optimizer.schedule.step_size: expected an integer in [1, 1073741824], got 0");
    expect_refused("{\"type\": \"exponential\", \"gamma\": 0.5, \"gama\": 0.5}",
        "optimizer.schedule: expected the keys \"type\", \"unit\", \"every\", \"start\", "
        "\"warmup\", "
        "\"gamma\", got "
        "\"gama\"");
    expect_refused("{\"type\": \"exponential\", \"gamma\": 0.5, \"every\": 0}",
        "optimizer.schedule.every: expected an integer in [1, 1073741824], got 0");
    expect_refused("{\"type\": \"multi_step\", \"milestones\": [3, 2]}",
        "optimizer.schedule.milestones: expected a list of 1 to 4096 integers from 0 in ascending "
        "order, got [3, 2]");
    expect_refused("{\"type\": \"linear\", \"start_factor\": 0}",
        "optimizer.schedule.start_factor: expected a number above 0, got 0");
    expect_refused("{\"type\": \"linear\", \"warmup\": {\"total_iters\": 0}}",
        "optimizer.schedule.warmup.total_iters: expected an integer in [1, 1073741824], got 0");
    expect_refused("{\"type\": \"one_cycle\", \"max_lr\": 1, \"total_steps\": 10, \"warmup\": 3}",
        "optimizer.schedule.warmup: expected nothing beside type \"one_cycle\", which warms up by "
        "itself");
    expect_refused("{\"type\": \"piecewise_constant_decay\", \"boundaries\": [1], \"values\": "
                   "[1, 2, 3]}",
        "optimizer.schedule.values: expected one number more than there are boundaries (1), got 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_description_makes_the_same_schedule_in_any_convention),
        cmocka_unit_test(a_tick_is_as_many_steps_as_every_says),
        cmocka_unit_test(a_schedule_begins_behind_the_step_start),
        cmocka_unit_test(a_warm_up_goes_before_the_schedule),
        cmocka_unit_test(keras_schedules_say_their_initial_rate),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
