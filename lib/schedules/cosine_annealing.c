// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* torch.optim.lr_scheduler.CosineAnnealingLR (Loshchilov and Hutter, 2017, without restarts): half
   a cosine from the base down to eta_min over T_max ticks, and up again after them. */

static void cosine_annealing_read(normd_schedule *schedule, normd_options *options)
{
    schedule->cosine_annealing.period = (double)normd_schedule_ticks(options, "T_max", -1, 1);
    schedule->cosine_annealing.eta_min =
        normd_options_number(options, "eta_min", 0.0, 0.0, INFINITY);
}

static void cosine_annealing_describe(const normd_schedule *schedule, json_t *description)
{
    json_object_set_new(
        description, "T_max", json_integer((json_int_t)schedule->cosine_annealing.period));
    json_object_set_new(description, "eta_min", json_real(schedule->cosine_annealing.eta_min));
}

static double cosine_annealing_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    const normd_cosine_annealing_schedule *cosine = &schedule->cosine_annealing;
    /* The same place of the first period, where the argument of the cosine is exact. */
    double place = fmod((double)tick, 2.0 * cosine->period);
    return cosine->eta_min +
           (lr - cosine->eta_min) * (1.0 + cos(M_PI * place / cosine->period)) / 2.0;
}

const normd_schedule_kind normd_cosine_annealing_schedule_kind = {
    .type = "cosine_annealing",
    .class_name = "CosineAnnealingLR",
    .read = cosine_annealing_read,
    .describe = cosine_annealing_describe,
    .rate = cosine_annealing_rate,
};
