// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* keras.optimizers.schedules.PiecewiseConstantDecay: the first of `values` up to and with the first
   of `boundaries`, and so on. */

static void piecewise_read(normd_schedule *schedule, normd_options *options)
{
    normd_schedule_list(
        schedule, options, "boundaries", 1, true, &schedule->points, &schedule->point_count);
    normd_schedule_list(
        schedule, options, "values", 2, false, &schedule->values, &schedule->value_count);
    if (!schedule->no_memory && schedule->value_count != schedule->point_count + 1) {
        normd_options_fail(options, "values",
            "expected one number more than there are boundaries (%zu), got %zu",
            schedule->point_count, schedule->value_count);
    }
}

static void piecewise_describe(const normd_schedule *schedule, json_t *description)
{
    json_object_set_new(description, "boundaries",
        normd_schedule_show_list(schedule->points, schedule->point_count, true));
    json_object_set_new(description, "values",
        normd_schedule_show_list(schedule->values, schedule->value_count, false));
}

static double piecewise_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    size_t passed = 0;
    while (passed < schedule->point_count && schedule->points[passed] < (double)tick) {
        passed++;
    }
    return schedule->values[passed] * normd_schedule_scale(schedule, lr);
}

const normd_schedule_kind normd_piecewise_constant_decay_schedule_kind = {
    .type = "piecewise_constant_decay",
    .class_name = "PiecewiseConstantDecay",
    .read = piecewise_read,
    .describe = piecewise_describe,
    .rate = piecewise_rate,
};
