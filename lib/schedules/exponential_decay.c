// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* keras.optimizers.schedules.ExponentialDecay: the base times decay_rate^(tick/decay_steps). */

static void exponential_decay_read(normd_schedule *schedule, normd_options *options)
{
    schedule->decay.steps = (double)normd_schedule_ticks(options, "decay_steps", -1, 1);
    schedule->decay.rate = normd_schedule_required(options, "decay_rate", 0.0, INFINITY);
    schedule->decay.staircase = normd_options_bool(options, "staircase", false);
}

static void exponential_decay_describe(const normd_schedule *schedule, json_t *description)
{
    const normd_decay_schedule *decay = &schedule->decay;
    json_object_set_new(description, "decay_steps", json_integer((json_int_t)decay->steps));
    json_object_set_new(description, "decay_rate", json_real(decay->rate));
    json_object_set_new(description, "staircase", json_boolean(decay->staircase));
}

static double exponential_decay_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    double power = (double)tick / schedule->decay.steps;
    return lr * pow(schedule->decay.rate, schedule->decay.staircase ? floor(power) : power);
}

const normd_schedule_kind normd_exponential_decay_schedule_kind = {
    .type = "exponential_decay",
    .class_name = "ExponentialDecay",
    .has_initial_rate = true,
    .read = exponential_decay_read,
    .describe = exponential_decay_describe,
    .rate = exponential_decay_rate,
};
