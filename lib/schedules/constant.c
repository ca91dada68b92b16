// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* torch.optim.lr_scheduler.ConstantLR: the base times `factor` for total_iters ticks, then the
   base. */

static void constant_read(normd_schedule *schedule, normd_options *options)
{
    schedule->constant.factor = normd_options_number(options, "factor", 1.0 / 3.0, 0.0, 1.0);
    schedule->constant.total = normd_schedule_ticks(options, "total_iters", 5, 0);
}

static void constant_describe(const normd_schedule *schedule, json_t *description)
{
    json_object_set_new(description, "factor", json_real(schedule->constant.factor));
    json_object_set_new(
        description, "total_iters", json_integer((json_int_t)schedule->constant.total));
}

static double constant_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    return tick < schedule->constant.total ? lr * schedule->constant.factor : lr;
}

const normd_schedule_kind normd_constant_schedule_kind = {
    .type = "constant",
    .class_name = "ConstantLR",
    .read = constant_read,
    .describe = constant_describe,
    .rate = constant_rate,
};
