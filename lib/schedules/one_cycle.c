// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/kind.h"

/* torch.optim.lr_scheduler.OneCycleLR (Smith and Topin, 2018): from max_lr/div_factor up to max_lr,
   and down to 1/final_div_factor of the first rate; the momentum goes the other way. PyTorch
   refuses a step behind the last one; here its rate stays. */

/* A turning point: the tick, and the rate and momentum there. */
typedef struct cycle_point {
    double tick;
    double rate;
    double momentum;
} cycle_point;

enum { MAX_POINTS = 4 };

static size_t cycle_points(const normd_one_cycle_schedule *cycle, cycle_point points[MAX_POINTS])
{
    double first = cycle->max_lr / cycle->div_factor;
    double up = cycle->start_share * (double)cycle->total;
    size_t count = 0;
    points[count++] = (cycle_point){0.0, first, cycle->max_momentum};
    points[count++] = (cycle_point){up - 1.0, cycle->max_lr, cycle->base_momentum};
    if (cycle->three_phase) {
        points[count++] = (cycle_point){2.0 * up - 2.0, first, cycle->max_momentum};
    }
    points[count++] = (cycle_point){
        (double)cycle->total - 1.0, first / cycle->final_div_factor, cycle->max_momentum};
    return count;
}

static double between(bool linear, double start, double end, double way)
{
    return linear ? (end - start) * way + start
                  : end + (start - end) / 2.0 * (cos(M_PI * way) + 1.0);
}

/* The rate and the momentum at a tick. */
static void cycle_at(
    const normd_one_cycle_schedule *cycle, uint64_t tick, double *rate, double *momentum)
{
    cycle_point points[MAX_POINTS];
    size_t count = cycle_points(cycle, points);
    double at = fmin((double)tick, (double)cycle->total - 1.0);
    size_t end = 1;
    while (end + 1 < count && at > points[end].tick) {
        end++;
    }
    const cycle_point *from = &points[end - 1];
    const cycle_point *to = &points[end];
    double length = to->tick - from->tick;
    double way = length > 0.0 ? (at - from->tick) / length : 1.0;
    *rate = between(cycle->linear, from->rate, to->rate, way);
    *momentum = between(cycle->linear, from->momentum, to->momentum, way);
}

static void read_total(normd_one_cycle_schedule *cycle, normd_options *options)
{
    if (normd_options_has(options, "epochs") || normd_options_has(options, "steps_per_epoch")) {
        uint64_t epochs = normd_schedule_ticks(options, "epochs", -1, 1);
        cycle->total = epochs * normd_schedule_ticks(options, "steps_per_epoch", -1, 1);
    } else {
        cycle->total = normd_schedule_ticks(options, "total_steps", -1, 1);
    }
}

static double read_momentum(normd_options *options, const char *key, double otherwise)
{
    double momentum = normd_options_number(options, key, otherwise, 0.0, 1.0);
    if (momentum >= 1.0) {
        normd_options_fail(options, key, "expected a number below 1, got %g", momentum);
    }
    return momentum;
}

static void one_cycle_read(normd_schedule *schedule, normd_options *options)
{
    static const char *const strategies[] = {"cos", "linear", NULL};
    normd_one_cycle_schedule *cycle = &schedule->one_cycle;
    cycle->max_lr = normd_schedule_required(options, "max_lr", 0.0, INFINITY);
    read_total(cycle, options);
    cycle->start_share = normd_options_number(options, "pct_start", 0.3, 0.0, 1.0);
    cycle->linear = normd_options_word(options, "anneal_strategy", strategies, 0) == 1;
    cycle->cycle_momentum = normd_options_bool(options, "cycle_momentum", true);
    cycle->base_momentum = read_momentum(options, "base_momentum", 0.85);
    cycle->max_momentum = read_momentum(options, "max_momentum", 0.95);
    cycle->div_factor = normd_schedule_positive(options, "div_factor", 25.0, INFINITY);
    cycle->final_div_factor = normd_schedule_positive(options, "final_div_factor", 1e4, INFINITY);
    cycle->three_phase = normd_options_bool(options, "three_phase", false);
    if (cycle->base_momentum > cycle->max_momentum) {
        normd_options_fail(options, "base_momentum", "expected max_momentum or less, got %g and %g",
            cycle->base_momentum, cycle->max_momentum);
    }
}

static void one_cycle_describe(const normd_schedule *schedule, json_t *description)
{
    const normd_one_cycle_schedule *cycle = &schedule->one_cycle;
    const char *strategy = cycle->linear ? "linear" : "cos";
    json_object_set_new(description, "max_lr", json_real(cycle->max_lr));
    json_object_set_new(description, "total_steps", json_integer((json_int_t)cycle->total));
    json_object_set_new(description, "pct_start", json_real(cycle->start_share));
    json_object_set_new(description, "anneal_strategy", json_string(strategy));
    json_object_set_new(description, "cycle_momentum", json_boolean(cycle->cycle_momentum));
    json_object_set_new(description, "base_momentum", json_real(cycle->base_momentum));
    json_object_set_new(description, "max_momentum", json_real(cycle->max_momentum));
    json_object_set_new(description, "div_factor", json_real(cycle->div_factor));
    json_object_set_new(description, "final_div_factor", json_real(cycle->final_div_factor));
    json_object_set_new(description, "three_phase", json_boolean(cycle->three_phase));
}

static double one_cycle_rate(
    const normd_schedule *schedule, const double *state, double lr, uint64_t tick)
{
    (void)state;
    double rate;
    double momentum;
    cycle_at(&schedule->one_cycle, tick, &rate, &momentum);
    return rate * normd_schedule_scale(schedule, lr);
}

bool normd_schedule_momentum(
    const normd_schedule *schedule, uint64_t step, double *momentum, double *most)
{
    if (schedule->kind != &normd_one_cycle_schedule_kind || !schedule->one_cycle.cycle_momentum) {
        return false;
    }
    double rate;
    cycle_at(&schedule->one_cycle, normd_schedule_tick(schedule, step), &rate, momentum);
    *most = schedule->one_cycle.max_momentum;
    return true;
}

const normd_schedule_kind normd_one_cycle_schedule_kind = {
    .type = "one_cycle",
    .class_name = "OneCycleLR",
    .warms_up = true,
    .read = one_cycle_read,
    .describe = one_cycle_describe,
    .rate = one_cycle_rate,
};
