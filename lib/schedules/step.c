// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* torch.optim.lr_scheduler.StepLR: a factor gamma every step_size ticks. */

static void step_read(normd_schedule *schedule, normd_options *options)
{
    schedule->step.step_size = normd_schedule_ticks(options, "step_size", -1, 1);
    schedule->step.gamma = normd_options_number(options, "gamma", 0.1, 0.0, INFINITY);
}

static void step_describe(const normd_schedule *schedule, json_t *description)
{
    json_object_set_new(
        description, "step_size", json_integer((json_int_t)schedule->step.step_size));
    json_object_set_new(description, "gamma", json_real(schedule->step.gamma));
}

static double step_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    return lr * pow(schedule->step.gamma, (double)(tick / schedule->step.step_size));
}

const normd_schedule_kind normd_step_schedule_kind = {
    .type = "step",
    .class_name = "StepLR",
    .read = step_read,
    .describe = step_describe,
    .rate = step_rate,
};
