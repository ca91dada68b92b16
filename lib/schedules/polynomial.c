// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* torch.optim.lr_scheduler.PolynomialLR: the base times (1 - tick/total_iters)^power. */

static void polynomial_read(normd_schedule *schedule, normd_options *options)
{
    schedule->polynomial.total = (double)normd_schedule_ticks(options, "total_iters", 5, 1);
    schedule->polynomial.power = normd_schedule_positive(options, "power", 1.0, INFINITY);
}

static void polynomial_describe(const normd_schedule *schedule, json_t *description)
{
    json_object_set_new(
        description, "total_iters", json_integer((json_int_t)schedule->polynomial.total));
    json_object_set_new(description, "power", json_real(schedule->polynomial.power));
}

static double polynomial_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    const normd_polynomial_schedule *polynomial = &schedule->polynomial;
    double left = fmax(0.0, polynomial->total - (double)tick) / polynomial->total;
    return lr * pow(left, polynomial->power);
}

const normd_schedule_kind normd_polynomial_schedule_kind = {
    .type = "polynomial",
    .class_name = "PolynomialLR",
    .read = polynomial_read,
    .describe = polynomial_describe,
    .rate = polynomial_rate,
};
