// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/schedules/make_schedule.h"

/* The rates of a group with base rate 0.5, the schedule's own, at some ticks. They are worked out
   by hand, from halves and cosines of 0, 60, 90, 120 and 180 degrees; the conformance tests have
   the frameworks' numbers. */
typedef struct point {
    uint64_t tick;
    double rate;
} point;

static void expect_points(const char *option, const point *points, size_t count)
{
    normd_schedule *schedule = make_schedule(option, NORMD_PYTORCH);
    for (size_t i = 0; i < count; i++) {
        double rate = normd_schedule_rate(schedule, NULL, points[i].tick + 1, 0.5);
        /* A few roundings of numbers up to 1. */
        if (fabs(rate - points[i].rate) > 4 * 0x1p-53) {
            fail_msg("%s at %d: %.17g, expected %.17g", option, (int)points[i].tick, rate,
                points[i].rate);
        }
    }
    normd_schedule_destroy(schedule);
}

#define EXPECT_POINTS(option, ...)                                                                 \
    do {                                                                                           \
        static const point points[] = {__VA_ARGS__};                                               \
        expect_points(option, points, sizeof points / sizeof *points);                             \
    } while (0)

static void pytorchs_schedules_go_through_known_points(void **state)
{
    (void)state;
    EXPECT_POINTS("{\"type\": \"step\", \"step_size\": 3, \"gamma\": 0.5}", {0, 0.5}, {2, 0.5},
        {3, 0.25}, {5, 0.25}, {6, 0.125});
    EXPECT_POINTS("{\"type\": \"multi_step\", \"milestones\": [2, 4, 4], \"gamma\": 0.5}", {1, 0.5},
        {2, 0.25}, {3, 0.25}, {4, 0.0625});
    EXPECT_POINTS("{\"type\": \"exponential\", \"gamma\": 0.5}", {0, 0.5}, {3, 0.0625});
    EXPECT_POINTS("{\"type\": \"cosine_annealing\", \"T_max\": 6, \"eta_min\": 0.1}", {0, 0.5},
        {2, 0.4}, {3, 0.3}, {4, 0.2}, {6, 0.1}, {8, 0.2}, {12, 0.5}, {15, 0.3});
    EXPECT_POINTS("{\"type\": \"cosine_annealing_warm_restarts\", \"T_0\": 2, \"T_mult\": 2}",
        {0, 0.5}, {1, 0.25}, {2, 0.5}, {4, 0.25}, {6, 0.5}, {10, 0.25}, {14, 0.5});
    EXPECT_POINTS("{\"type\": \"linear\", \"start_factor\": 0.5, \"end_factor\": 0.25,"
                  "\"total_iters\": 4}",
        {0, 0.25}, {2, 0.1875}, {4, 0.125}, {9, 0.125});
    EXPECT_POINTS("{\"type\": \"polynomial\", \"total_iters\": 4, \"power\": 2}", {0, 0.5},
        {1, 0.28125}, {2, 0.125}, {4, 0}, {9, 0});
    EXPECT_POINTS("{\"type\": \"constant\", \"factor\": 0.5, \"total_iters\": 3}", {0, 0.25},
        {2, 0.25}, {3, 0.5});
}

static void keras_schedules_go_through_known_points(void **state)
{
    (void)state;
    EXPECT_POINTS("{\"type\": \"exponential_decay\", \"decay_steps\": 2, \"decay_rate\": 0.25}",
        {0, 0.5}, {1, 0.25}, {2, 0.125});
    EXPECT_POINTS("{\"type\": \"exponential_decay\", \"decay_steps\": 2, \"decay_rate\": 0.25,"
                  "\"staircase\": true}",
        {0, 0.5}, {1, 0.5}, {2, 0.125});
    EXPECT_POINTS("{\"type\": \"piecewise_constant_decay\", \"boundaries\": [1, 3],"
                  "\"values\": [0.5, 0.25, 0.125]}",
        {0, 0.5}, {1, 0.5}, {2, 0.25}, {3, 0.25}, {4, 0.125});
    EXPECT_POINTS("{\"type\": \"polynomial_decay\", \"decay_steps\": 4, \"power\": 2,"
                  "\"end_learning_rate\": 0.1}",
        {0, 0.5}, {2, 0.2}, {4, 0.1}, {5, 0.1});
    EXPECT_POINTS("{\"type\": \"polynomial_decay\", \"decay_steps\": 4, \"cycle\": true,"
                  "\"end_learning_rate\": 0.1}",
        {0, 0.5}, {2, 0.3}, {4, 0.1}, {6, 0.2}, {8, 0.1});
    EXPECT_POINTS("{\"type\": \"inverse_time_decay\", \"decay_steps\": 2, \"decay_rate\": 2}",
        {0, 0.5}, {1, 0.25}, {3, 0.125});
    EXPECT_POINTS("{\"type\": \"inverse_time_decay\", \"decay_steps\": 2, \"decay_rate\": 3,"
                  "\"staircase\": true}",
        {1, 0.5}, {2, 0.125}, {3, 0.125});
    EXPECT_POINTS("{\"type\": \"cosine_decay\", \"decay_steps\": 6, \"alpha\": 0.2}", {0, 0.5},
        {2, 0.4}, {3, 0.3}, {6, 0.1}, {7, 0.1});
    EXPECT_POINTS("{\"type\": \"cosine_decay\", \"decay_steps\": 4, \"warmup_target\": 0.75,"
                  "\"warmup_steps\": 2}",
        {0, 0.5}, {1, 0.625}, {2, 0.75}, {4, 0.375}, {6, 0}, {8, 0});
    EXPECT_POINTS("{\"type\": \"cosine_decay_restarts\", \"first_decay_steps\": 2, \"m_mul\": 0.5}",
        {0, 0.5}, {1, 0.25}, {2, 0.25}, {4, 0.125}, {6, 0.125}, {10, 0.0625}, {14, 0.0625});
}

static void one_cycle_goes_up_and_down_and_stays(void **state)
{
    (void)state;
    const char *option = "{\"type\": \"one_cycle\", \"max_lr\": 1, \"total_steps\": 11,"
                         "\"pct_start\": 0.4545454545454546, \"div_factor\": 4,"
                         "\"final_div_factor\": 2, \"anneal_strategy\": \"linear\","
                         "\"base_momentum\": 0.5, \"max_momentum\": 0.75}";
    static const double rates[] = {0.25, 0.4375, 0.625, 0.8125, 1};
    normd_schedule *schedule = make_schedule(option, NORMD_PYTORCH);
    double momentum, most;
    for (uint64_t tick = 0; tick < 5; tick++) {
        /* The share of the first phase is a rounded number. */
        double rate = normd_schedule_rate(schedule, NULL, tick + 1, 0.5);
        assert_true(fabs(rate - rates[tick]) <= 16 * 0x1p-53);
        assert_true(normd_schedule_momentum(schedule, tick + 1, &momentum, &most));
        assert_true(fabs(momentum - (0.75 - 0.0625 * (double)tick)) <= 16 * 0x1p-53);
    }
    assert_true(most == 0.75);
    for (uint64_t tick = 10; tick < 15; tick++) {
        assert_true(normd_schedule_rate(schedule, NULL, tick + 1, 0.5) == 0.125);
    }
    normd_schedule_destroy(schedule);
}

static void absolute_rates_are_scaled_for_a_group_of_another_base(void **state)
{
    (void)state;
    static const char *const options[] = {
        "{\"type\": \"one_cycle\", \"max_lr\": 1, \"total_steps\": 11}",
        "{\"type\": \"piecewise_constant_decay\", \"boundaries\": [3], \"values\": [0.5, 0.25]}",
        "{\"type\": \"cosine_decay\", \"decay_steps\": 4, \"warmup_target\": 0.75,"
        "\"warmup_steps\": 2}"};
    for (size_t i = 0; i < 3; i++) {
        normd_schedule *schedule = make_schedule(options[i], NORMD_PYTORCH);
        for (uint64_t step = 1; step < 12; step++) {
            double own = normd_schedule_rate(schedule, NULL, step, 0.5);
            assert_true(normd_schedule_rate(schedule, NULL, step, 0.125) == own / 4);
        }
        normd_schedule_destroy(schedule);
    }
}

static void only_one_cycle_moves_the_momentum(void **state)
{
    (void)state;
    double momentum, most;
    normd_schedule *fixed = make_schedule("{\"type\": \"one_cycle\", \"max_lr\": 1,"
                                          "\"total_steps\": 11, \"cycle_momentum\": false}",
        NORMD_PYTORCH);
    normd_schedule *linear = make_schedule("\"linear\"", NORMD_PYTORCH);
    assert_false(normd_schedule_momentum(fixed, 1, &momentum, &most));
    assert_false(normd_schedule_momentum(linear, 1, &momentum, &most));
    normd_schedule_destroy(fixed);
    normd_schedule_destroy(linear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pytorchs_schedules_go_through_known_points),
        cmocka_unit_test(keras_schedules_go_through_known_points),
        cmocka_unit_test(one_cycle_goes_up_and_down_and_stays),
        cmocka_unit_test(absolute_rates_are_scaled_for_a_group_of_another_base),
        cmocka_unit_test(only_one_cycle_moves_the_momentum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
