// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* torch.optim.lr_scheduler.ReduceLROnPlateau and keras.callbacks.ReduceLROnPlateau: the rate is
   multiplied by `factor` when the best value was not beaten for `patience` ticks. The frameworks
   differ in what beats it, in whether the tick number `patience` still waits, and in how a cooldown
   counts; `form` says whose way it is. The state holds how often the rate was reduced, from which
   every group's rate follows. */

/* A factor near 1 would take long to be multiplied more often. */
static const double most_reductions = 1 << 20;

enum { BEST, SEEN, BAD, COOLDOWN, REDUCTIONS, SUM, COUNT };

const char *normd_schedule_state_name(size_t index)
{
    static const char *const names[NORMD_SCHEDULE_STATE] = {
        [BEST] = "plateau_best",
        [SEEN] = "plateau_seen",
        [BAD] = "plateau_bad",
        [COOLDOWN] = "plateau_cooldown",
        [REDUCTIONS] = "plateau_reductions",
        [SUM] = "plateau_sum",
        [COUNT] = "plateau_count",
    };
    return names[index];
}

static void read_pytorch(normd_plateau_schedule *plateau, normd_options *options)
{
    static const char *const modes[] = {"min", "max", NULL};
    static const char *const threshold_modes[] = {"rel", "abs", NULL};
    plateau->max = normd_options_word(options, "mode", modes, 0) == 1;
    plateau->threshold = normd_options_number(options, "threshold", 1e-4, 0.0, INFINITY);
    plateau->absolute = normd_options_word(options, "threshold_mode", threshold_modes, 0) == 1;
    plateau->eps = normd_options_number(options, "eps", 1e-8, 0.0, INFINITY);
}

static void read_keras(normd_plateau_schedule *plateau, normd_options *options)
{
    static const char *const modes[] = {"auto", "min", "max", NULL};
    /* Keras takes the direction from the metric's name; a loss goes down. */
    int mode = normd_options_word(options, "mode", modes, 0);
    if (mode == 0 && plateau->metric) {
        normd_options_fail(
            options, "mode", "expected \"min\" or \"max\" beside monitor \"metric\", got \"auto\"");
    }
    plateau->max = mode == 2;
    plateau->threshold = normd_options_number(options, "min_delta", 1e-4, 0.0, INFINITY);
}

static void plateau_read(normd_schedule *schedule, normd_options *options)
{
    static const char *const forms[] = {"pytorch", "keras", NULL};
    static const char *const monitors[] = {"loss", "metric", NULL};
    normd_plateau_schedule *plateau = &schedule->plateau;
    int own = schedule->convention == NORMD_KERAS;
    plateau->keras = normd_options_word(options, "form", forms, own) == 1;
    plateau->metric = normd_options_word(options, "monitor", monitors, 0) == 1;
    plateau->factor = normd_options_number(options, "factor", 0.1, 0.0, 1.0);
    if (plateau->factor >= 1.0) {
        normd_options_fail(options, "factor", "expected a number below 1, got %g", plateau->factor);
    }
    plateau->patience = (double)normd_schedule_ticks(options, "patience", 10, 0);
    plateau->cooldown = (double)normd_schedule_ticks(options, "cooldown", 0, 0);
    plateau->min_lr = normd_options_number(options, "min_lr", 0.0, 0.0, INFINITY);
    (plateau->keras ? read_keras : read_pytorch)(plateau, options);
}

static void plateau_describe(const normd_schedule *schedule, json_t *description)
{
    const normd_plateau_schedule *plateau = &schedule->plateau;
    json_object_set_new(description, "form", json_string(plateau->keras ? "keras" : "pytorch"));
    json_object_set_new(description, "monitor", json_string(plateau->metric ? "metric" : "loss"));
    json_object_set_new(description, "mode", json_string(plateau->max ? "max" : "min"));
    json_object_set_new(description, "factor", json_real(plateau->factor));
    json_object_set_new(description, "patience", json_integer((json_int_t)plateau->patience));
    json_object_set_new(description, "cooldown", json_integer((json_int_t)plateau->cooldown));
    json_object_set_new(description, "min_lr", json_real(plateau->min_lr));
    if (plateau->keras) {
        json_object_set_new(description, "min_delta", json_real(plateau->threshold));
    } else {
        const char *mode = plateau->absolute ? "abs" : "rel";
        json_object_set_new(description, "threshold", json_real(plateau->threshold));
        json_object_set_new(description, "threshold_mode", json_string(mode));
        json_object_set_new(description, "eps", json_real(plateau->eps));
    }
}

/* One reduction; the same rate when it would be none. */
static double reduced(const normd_plateau_schedule *plateau, double lr)
{
    double lower = fmax(lr * plateau->factor, plateau->min_lr);
    bool lowers = plateau->keras ? lr > plateau->min_lr : lr - lower > plateau->eps;
    return lowers ? lower : lr;
}

/* Multiplies as often as the framework did, so that the rate has its bits. */
static double plateau_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)tick;
    double reductions = fmin(state[REDUCTIONS], most_reductions);
    for (double i = 0.0; i < reductions; i++) {
        double next = reduced(&schedule->plateau, lr);
        if (next == lr) {
            break;
        }
        lr = next;
    }
    return lr;
}

static bool beats_best(const normd_plateau_schedule *plateau, double value, const double *state)
{
    double best = state[BEST];
    double threshold = plateau->threshold;
    if (state[SEEN] == 0.0) {
        return true;
    }
    if (plateau->keras) {
        return plateau->max ? value - threshold > best : value + threshold < best;
    }
    if (plateau->absolute) {
        return plateau->max ? value > best + threshold : value < best - threshold;
    }
    return plateau->max ? value > best * (threshold + 1.0) : value < best * (1.0 - threshold);
}

static void note_pytorch(const normd_schedule *schedule, double value, double *state)
{
    const normd_plateau_schedule *plateau = &schedule->plateau;
    if (beats_best(plateau, value, state)) {
        state[BEST] = value;
        state[BAD] = 0.0;
    } else {
        state[BAD] += 1.0;
    }
    if (state[COOLDOWN] > 0.0) {
        state[COOLDOWN] -= 1.0;
        state[BAD] = 0.0;
    }
    if (state[BAD] > plateau->patience) {
        state[REDUCTIONS] += 1.0;
        state[COOLDOWN] = plateau->cooldown;
        state[BAD] = 0.0;
    }
}

static void note_keras(const normd_schedule *schedule, double value, double *state)
{
    const normd_plateau_schedule *plateau = &schedule->plateau;
    if (state[COOLDOWN] > 0.0) {
        state[COOLDOWN] -= 1.0;
        state[BAD] = 0.0;
    }
    if (beats_best(plateau, value, state)) {
        state[BEST] = value;
        state[BAD] = 0.0;
    } else if (state[COOLDOWN] == 0.0) {
        state[BAD] += 1.0;
        /* At the lowest rate nothing is reduced, and the cooldown does not begin. */
        double lr = plateau_rate(schedule, state, schedule->lr, 0);
        if (state[BAD] >= plateau->patience && lr > plateau->min_lr) {
            state[REDUCTIONS] += 1.0;
            state[COOLDOWN] = plateau->cooldown;
            state[BAD] = 0.0;
        }
    }
}

void normd_plateau_note(const normd_schedule *schedule, bool ticks, double value, double *state)
{
    if (!schedule->plateau.metric) {
        state[SUM] += value;
        state[COUNT] += 1.0;
        if (!ticks) {
            return;
        }
        value = state[SUM] / state[COUNT];
        state[SUM] = 0.0;
        state[COUNT] = 0.0;
    }
    (schedule->plateau.keras ? note_keras : note_pytorch)(schedule, value, state);
    state[SEEN] += 1.0;
}

void normd_plateau_rebase(double *state)
{
    state[REDUCTIONS] = 0.0;
}

const normd_schedule_kind normd_plateau_schedule_kind = {
    .type = "reduce_on_plateau",
    .class_name = "ReduceLROnPlateau",
    .read = plateau_read,
    .describe = plateau_describe,
    .rate = plateau_rate,
};
