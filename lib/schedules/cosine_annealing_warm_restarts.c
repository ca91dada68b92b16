// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* torch.optim.lr_scheduler.CosineAnnealingWarmRestarts (Loshchilov and Hutter, 2017): half a cosine
   from the base down to eta_min over T_0 ticks, again over T_0 T_mult ticks, and so on. */

static void warm_restarts_read(normd_schedule *schedule, normd_options *options)
{
    normd_warm_restarts_schedule *cosine = &schedule->warm_restarts;
    cosine->first = (double)normd_schedule_ticks(options, "T_0", -1, 1);
    cosine->multiplier = (double)normd_schedule_ticks(options, "T_mult", 1, 1);
    cosine->eta_min = normd_options_number(options, "eta_min", 0.0, 0.0, INFINITY);
}

static void warm_restarts_describe(const normd_schedule *schedule, json_t *description)
{
    const normd_warm_restarts_schedule *cosine = &schedule->warm_restarts;
    json_object_set_new(description, "T_0", json_integer((json_int_t)cosine->first));
    json_object_set_new(description, "T_mult", json_integer((json_int_t)cosine->multiplier));
    json_object_set_new(description, "eta_min", json_real(cosine->eta_min));
}

static double warm_restarts_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    const normd_warm_restarts_schedule *cosine = &schedule->warm_restarts;
    double at = (double)tick;
    double period = cosine->first;
    if (cosine->multiplier == 1.0) {
        at = fmod(at, period);
    }
    while (at >= period) {
        at -= period;
        period *= cosine->multiplier;
    }
    double share = (1.0 + cos(M_PI * at / period)) / 2.0;
    return cosine->eta_min + (lr - cosine->eta_min) * share;
}

const normd_schedule_kind normd_warm_restarts_schedule_kind = {
    .type = "cosine_annealing_warm_restarts",
    .class_name = "CosineAnnealingWarmRestarts",
    .read = warm_restarts_read,
    .describe = warm_restarts_describe,
    .rate = warm_restarts_rate,
};
