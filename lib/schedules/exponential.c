// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* torch.optim.lr_scheduler.ExponentialLR: a factor gamma every tick. */

static void exponential_read(normd_schedule *schedule, normd_options *options)
{
    schedule->exponential.gamma = normd_schedule_required(options, "gamma", 0.0, INFINITY);
}

static void exponential_describe(const normd_schedule *schedule, json_t *description)
{
    json_object_set_new(description, "gamma", json_real(schedule->exponential.gamma));
}

static double exponential_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    return lr * pow(schedule->exponential.gamma, (double)tick);
}

const normd_schedule_kind normd_exponential_schedule_kind = {
    .type = "exponential",
    .class_name = "ExponentialLR",
    .read = exponential_read,
    .describe = exponential_describe,
    .rate = exponential_rate,
};
