// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* keras.optimizers.schedules.CosineDecay: in a line from the base to warmup_target, if there is
   one, in warmup_steps ticks; then half a cosine down to `alpha` of it in decay_steps ticks. */

static void cosine_decay_read(normd_schedule *schedule, normd_options *options)
{
    normd_cosine_decay_schedule *cosine = &schedule->cosine_decay;
    bool no_target = !normd_options_has(options, "warmup_target");
    cosine->steps = (double)normd_schedule_ticks(options, "decay_steps", -1, 1);
    cosine->alpha = normd_options_number(options, "alpha", 0.0, 0.0, INFINITY);
    cosine->warmup_target =
        normd_options_number_or_null(options, "warmup_target", 0.0, 0.0, INFINITY, &no_target);
    cosine->warmup_steps = (double)normd_schedule_ticks(options, "warmup_steps", 0, 0);
    cosine->warms_up = !no_target;
}

static void cosine_decay_describe(const normd_schedule *schedule, json_t *description)
{
    const normd_cosine_decay_schedule *cosine = &schedule->cosine_decay;
    json_t *target = cosine->warms_up ? json_real(cosine->warmup_target) : json_null();
    json_object_set_new(description, "decay_steps", json_integer((json_int_t)cosine->steps));
    json_object_set_new(description, "alpha", json_real(cosine->alpha));
    json_object_set_new(description, "warmup_target", target);
    json_object_set_new(
        description, "warmup_steps", json_integer((json_int_t)cosine->warmup_steps));
}

static double cosine_decay_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    const normd_cosine_decay_schedule *cosine = &schedule->cosine_decay;
    double at = (double)tick;
    if (cosine->warms_up) {
        double target = cosine->warmup_target * normd_schedule_scale(schedule, lr);
        if (at < cosine->warmup_steps) {
            return (target - lr) * (at / cosine->warmup_steps) + lr;
        }
        at -= cosine->warmup_steps;
        lr = target;
    }
    double share = 0.5 * (1.0 + cos(M_PI * (fmin(at, cosine->steps) / cosine->steps)));
    return lr * ((1.0 - cosine->alpha) * share + cosine->alpha);
}

const normd_schedule_kind normd_cosine_decay_schedule_kind = {
    .type = "cosine_decay",
    .class_name = "CosineDecay",
    .has_initial_rate = true,
    .read = cosine_decay_read,
    .describe = cosine_decay_describe,
    .rate = cosine_decay_rate,
};
