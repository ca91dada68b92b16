// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* torch.optim.lr_scheduler.MultiStepLR: a factor gamma at each milestone; one that is there twice
   counts twice. */

static void multi_step_read(normd_schedule *schedule, normd_options *options)
{
    normd_schedule_list(
        schedule, options, "milestones", 1, true, &schedule->points, &schedule->point_count);
    schedule->multi_step.gamma = normd_options_number(options, "gamma", 0.1, 0.0, INFINITY);
}

static void multi_step_describe(const normd_schedule *schedule, json_t *description)
{
    json_object_set_new(description, "milestones",
        normd_schedule_show_list(schedule->points, schedule->point_count, true));
    json_object_set_new(description, "gamma", json_real(schedule->multi_step.gamma));
}

static double multi_step_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    size_t passed = 0;
    while (passed < schedule->point_count && schedule->points[passed] <= (double)tick) {
        passed++;
    }
    return lr * pow(schedule->multi_step.gamma, (double)passed);
}

const normd_schedule_kind normd_multi_step_schedule_kind = {
    .type = "multi_step",
    .class_name = "MultiStepLR",
    .read = multi_step_read,
    .describe = multi_step_describe,
    .rate = multi_step_rate,
};
