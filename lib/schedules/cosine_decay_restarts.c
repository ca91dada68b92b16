// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* keras.optimizers.schedules.CosineDecayRestarts: half a cosine down to `alpha` of the base in
   first_decay_steps ticks, then again in t_mul times as many, from m_mul of the height, and so on.
   Keras takes the number of restarts from a logarithm, whose rounding may put a restart one tick
   late; here it is corrected. */

static void cosine_restarts_read(normd_schedule *schedule, normd_options *options)
{
    normd_cosine_restarts_schedule *cosine = &schedule->cosine_restarts;
    cosine->first = (double)normd_schedule_ticks(options, "first_decay_steps", -1, 1);
    cosine->t_mul = normd_options_number(options, "t_mul", 2.0, 1.0, INFINITY);
    cosine->m_mul = normd_options_number(options, "m_mul", 1.0, 0.0, INFINITY);
    cosine->alpha = normd_options_number(options, "alpha", 0.0, 0.0, INFINITY);
}

static void cosine_restarts_describe(const normd_schedule *schedule, json_t *description)
{
    const normd_cosine_restarts_schedule *cosine = &schedule->cosine_restarts;
    json_object_set_new(description, "first_decay_steps", json_integer((json_int_t)cosine->first));
    json_object_set_new(description, "t_mul", json_real(cosine->t_mul));
    json_object_set_new(description, "m_mul", json_real(cosine->m_mul));
    json_object_set_new(description, "alpha", json_real(cosine->alpha));
}

/* The tick at which the cosine begins for the time number `restart`; exact for whole t_mul. */
static double beginning(const normd_cosine_restarts_schedule *cosine, double restart)
{
    double t_mul = cosine->t_mul;
    return t_mul == 1.0 ? cosine->first * restart
                        : cosine->first * ((pow(t_mul, restart) - 1.0) / (t_mul - 1.0));
}

static double count_restarts(const normd_cosine_restarts_schedule *cosine, double at)
{
    double periods = at / cosine->first;
    if (cosine->t_mul == 1.0) {
        return floor(periods);
    }
    double restarts = floor(log(1.0 + periods * (cosine->t_mul - 1.0)) / log(cosine->t_mul));
    if (beginning(cosine, restarts + 1.0) <= at) {
        return restarts + 1.0;
    }
    return restarts > 0.0 && beginning(cosine, restarts) > at ? restarts - 1.0 : restarts;
}

static double cosine_restarts_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    const normd_cosine_restarts_schedule *cosine = &schedule->cosine_restarts;
    double restarts = count_restarts(cosine, (double)tick);
    double period = cosine->first * pow(cosine->t_mul, restarts);
    double way = ((double)tick - beginning(cosine, restarts)) / period;
    double share = 0.5 * pow(cosine->m_mul, restarts) * (1.0 + cos(M_PI * way));
    return lr * ((1.0 - cosine->alpha) * share + cosine->alpha);
}

const normd_schedule_kind normd_cosine_restarts_schedule_kind = {
    .type = "cosine_decay_restarts",
    .class_name = "CosineDecayRestarts",
    .has_initial_rate = true,
    .read = cosine_restarts_read,
    .describe = cosine_restarts_describe,
    .rate = cosine_restarts_rate,
};
