// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* torch.optim.lr_scheduler.LinearLR: the factor goes from start_factor to end_factor in total_iters
   ticks, and stays there. */

static void linear_read(normd_schedule *schedule, normd_options *options)
{
    normd_linear_schedule *linear = &schedule->linear;
    linear->start_factor = normd_schedule_positive(options, "start_factor", 1.0 / 3.0, 1.0);
    linear->end_factor = normd_options_number(options, "end_factor", 1.0, 0.0, 1.0);
    linear->total = (double)normd_schedule_ticks(options, "total_iters", 5, 1);
}

static void linear_describe(const normd_schedule *schedule, json_t *description)
{
    const normd_linear_schedule *linear = &schedule->linear;
    json_object_set_new(description, "start_factor", json_real(linear->start_factor));
    json_object_set_new(description, "end_factor", json_real(linear->end_factor));
    json_object_set_new(description, "total_iters", json_integer((json_int_t)linear->total));
}

static double linear_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    const normd_linear_schedule *linear = &schedule->linear;
    double way = fmin(linear->total, (double)tick) / linear->total;
    return lr * (linear->start_factor + (linear->end_factor - linear->start_factor) * way);
}

const normd_schedule_kind normd_linear_schedule_kind = {
    .type = "linear",
    .class_name = "LinearLR",
    .read = linear_read,
    .describe = linear_describe,
    .rate = linear_rate,
};
