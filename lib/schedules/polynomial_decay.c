// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* keras.optimizers.schedules.PolynomialDecay: from the base to end_learning_rate in decay_steps
   ticks, by (1 - tick/decay_steps)^power; with `cycle` the way grows by decay_steps each time that
   its end is reached. */

static void polynomial_decay_read(normd_schedule *schedule, normd_options *options)
{
    normd_polynomial_decay_schedule *decay = &schedule->polynomial_decay;
    decay->steps = (double)normd_schedule_ticks(options, "decay_steps", -1, 1);
    decay->end = normd_options_number(options, "end_learning_rate", 1e-4, 0.0, INFINITY);
    decay->power = normd_schedule_positive(options, "power", 1.0, INFINITY);
    decay->cycle = normd_options_bool(options, "cycle", false);
}

static void polynomial_decay_describe(const normd_schedule *schedule, json_t *description)
{
    const normd_polynomial_decay_schedule *decay = &schedule->polynomial_decay;
    json_object_set_new(description, "decay_steps", json_integer((json_int_t)decay->steps));
    json_object_set_new(description, "end_learning_rate", json_real(decay->end));
    json_object_set_new(description, "power", json_real(decay->power));
    json_object_set_new(description, "cycle", json_boolean(decay->cycle));
}

static double polynomial_decay_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    const normd_polynomial_decay_schedule *decay = &schedule->polynomial_decay;
    double at = (double)tick;
    double steps = decay->steps;
    if (decay->cycle) {
        steps *= tick == 0 ? 1.0 : ceil(at / decay->steps);
    }
    double left = 1.0 - fmin(at, steps) / steps;
    return (lr - decay->end) * pow(left, decay->power) + decay->end;
}

const normd_schedule_kind normd_polynomial_decay_schedule_kind = {
    .type = "polynomial_decay",
    .class_name = "PolynomialDecay",
    .has_initial_rate = true,
    .read = polynomial_decay_read,
    .describe = polynomial_decay_describe,
    .rate = polynomial_decay_rate,
};
