// SPDX-License-Identifier: Apache-2.0
#include "lib/schedules/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/schedules/kind.h"

static const normd_schedule_kind *const kinds[] = {
    &normd_step_schedule_kind,
    &normd_multi_step_schedule_kind,
    &normd_exponential_schedule_kind,
    &normd_cosine_annealing_schedule_kind,
    &normd_warm_restarts_schedule_kind,
    &normd_linear_schedule_kind,
    &normd_polynomial_schedule_kind,
    &normd_constant_schedule_kind,
    &normd_one_cycle_schedule_kind,
    &normd_plateau_schedule_kind,
    &normd_exponential_decay_schedule_kind,
    &normd_piecewise_constant_decay_schedule_kind,
    &normd_polynomial_decay_schedule_kind,
    &normd_inverse_time_decay_schedule_kind,
    &normd_cosine_decay_schedule_kind,
    &normd_cosine_restarts_schedule_kind,
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

static const normd_schedule_kind *find_kind(const char *type)
{
    for (size_t i = 0; i < KIND_COUNT && type != NULL; i++) {
        if (normd_options_same_name(type, kinds[i]->type) ||
            normd_options_same_name(type, kinds[i]->class_name)) {
            return kinds[i];
        }
    }
    return NULL;
}

static void fail_type(normd_options *options, const json_t *type)
{
    char list[NORMD_ERROR_MESSAGE_BYTES] = "";
    size_t used = 0;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        int wrote = snprintf(
            list + used, sizeof list - used, "%s\"%s\"", i == 0 ? "" : ", ", kinds[i]->type);
        used += (size_t)wrote < sizeof list - used ? (size_t)wrote : 0;
    }
    char got[NORMD_OPTIONS_SHOW_BYTES];
    normd_options_fail(options, "type", "expected %s, got %s", list,
        type == NULL ? "nothing" : normd_options_show(type, got, sizeof got));
}

static const char *const units[] = {"step", "batch", NULL};

/* Keras' schedules take the number of batches, of which some may wait for a step together. */
static bool read_unit(normd_convention convention, normd_options *options)
{
    return normd_options_word(options, "unit", units, convention == NORMD_KERAS) == 1;
}

/* `warmup`: a number of ticks, or a map of LinearLR's options. */
static void read_warmup(normd_schedule *schedule, normd_options *options)
{
    const json_t *warmup = normd_options_any(options, "warmup");
    if (warmup == NULL || json_is_null(warmup)) {
        return;
    }
    if (schedule->kind->warms_up) {
        normd_options_fail(options, "warmup",
            "expected nothing beside type \"%s\", which warms up by itself", schedule->kind->type);
        return;
    }
    normd_options inner;
    json_t *short_form = NULL;
    if (!json_is_object(warmup)) {
        short_form = json_pack("{s:O}", "total_iters", warmup);
        warmup = short_form;
    }
    schedule->no_memory = schedule->no_memory || warmup == NULL;
    normd_options_begin(&inner, warmup, NULL, "%s.warmup", options->path);
    schedule->warmup = normd_schedule_ticks(&inner, "total_iters", -1, 1);
    schedule->warmup_start = normd_options_number(&inner, "start_factor", 1.0 / 3.0, 0.0, 1.0);
    normd_error error = {.status = NORMD_OK};
    if (normd_options_finish(&inner, &error) != NORMD_OK && options->error.status == NORMD_OK) {
        options->error = error;
    }
    json_decref(short_form);
}

static normd_status read_options(
    normd_schedule *schedule, const json_t *map, const char *path, normd_error *error)
{
    normd_options options;
    normd_options_begin(&options, map, NULL, "%s", path);
    const json_t *type = normd_options_any(&options, "type");
    schedule->kind = find_kind(json_string_value(type));
    if (schedule->kind == NULL) {
        fail_type(&options, type);
        return normd_options_finish(&options, error);
    }
    schedule->counts_batches = read_unit(schedule->convention, &options);
    schedule->every = normd_schedule_ticks(&options, "every", 1, 1);
    schedule->start = (uint64_t)normd_options_integer(&options, "start", 0, 0, INT64_MAX);
    read_warmup(schedule, &options);
    if (schedule->kind->has_initial_rate) {
        /* The optimizer has taken it for its rate: normd_schedule_initial_rate. */
        normd_options_number(&options, "initial_learning_rate", 0.0, 0.0, INFINITY);
    }
    schedule->kind->read(schedule, &options);
    return schedule->no_memory ? normd_error_no_memory(error)
                               : normd_options_finish(&options, error);
}

normd_status normd_schedule_create(const json_t *option, normd_convention convention, double lr,
    const char *path, normd_schedule **schedule, normd_error *error)
{
    *schedule = NULL;
    json_t *map = json_is_string(option) ? json_pack("{s:O}", "type", option)
                                         : normd_options_deserialize(option);
    normd_schedule *made = calloc(1, sizeof *made);
    if (made == NULL || map == NULL) {
        json_decref(map);
        free(made);
        return normd_error_no_memory(error);
    }
    made->convention = convention;
    made->lr = lr;
    normd_status status = read_options(made, map, path, error);
    json_decref(map);
    if (status != NORMD_OK) {
        normd_schedule_destroy(made);
        return status;
    }
    *schedule = made;
    return NORMD_OK;
}

void normd_schedule_destroy(normd_schedule *schedule)
{
    if (schedule != NULL) {
        free(schedule->points);
        free(schedule->values);
        free(schedule);
    }
}

json_t *normd_schedule_describe(const normd_schedule *schedule)
{
    json_t *warmup = json_null();
    if (schedule->warmup > 0) {
        warmup = json_pack("{s:I, s:f}", "total_iters", (json_int_t)schedule->warmup,
            "start_factor", schedule->warmup_start);
    }
    json_t *map = json_pack("{s:s, s:s, s:I, s:I, s:o}", "type", schedule->kind->type, "unit",
        units[schedule->counts_batches], "every", (json_int_t)schedule->every, "start",
        (json_int_t)schedule->start, "warmup", warmup);
    if (map != NULL) {
        schedule->kind->describe(schedule, map);
    }
    return map;
}

/* NULL: the option says none. */
static const json_t *find_initial_rate(const json_t *option)
{
    const normd_schedule_kind *kind = find_kind(json_string_value(json_object_get(option, "type")));
    if (kind == &normd_piecewise_constant_decay_schedule_kind) {
        return json_array_get(json_object_get(option, "values"), 0);
    }
    bool has = kind != NULL && kind->has_initial_rate;
    return has ? json_object_get(option, "initial_learning_rate") : NULL;
}

bool normd_schedule_initial_rate(const json_t *option, double *lr)
{
    const json_t *rate = find_initial_rate(option);
    *lr = json_number_value(rate);
    return json_is_number(rate) && *lr >= 0.0;
}

bool normd_schedule_says_rate(const json_t *option)
{
    const json_t *type = json_object_get(option, "type");
    const normd_schedule_kind *kind = find_kind(json_string_value(type));
    /* A type or a list that is wrong is told of by who reads them. */
    return kind == NULL || kind == &normd_piecewise_constant_decay_schedule_kind ||
           find_initial_rate(option) != NULL;
}

bool normd_schedule_counts_batches(const normd_schedule *schedule)
{
    return schedule->counts_batches;
}

bool normd_schedule_option_counts_batches(const json_t *option, normd_convention convention)
{
    const char *unit = json_string_value(json_object_get(option, "unit"));
    return unit != NULL ? strcmp(unit, units[1]) == 0 : convention == NORMD_KERAS;
}

uint64_t normd_schedule_tick(const normd_schedule *schedule, uint64_t step)
{
    return step <= schedule->start ? 0 : (step - schedule->start - 1) / schedule->every;
}

double normd_schedule_rate(
    const normd_schedule *schedule, const double *state, uint64_t step, double lr)
{
    uint64_t tick = normd_schedule_tick(schedule, step);
    if (tick < schedule->warmup) {
        double way = (double)tick / (double)schedule->warmup;
        return lr * (schedule->warmup_start + (1.0 - schedule->warmup_start) * way);
    }
    return schedule->kind->rate(schedule, state, lr, tick - schedule->warmup);
}

size_t normd_schedule_states(const normd_schedule *schedule)
{
    return schedule->kind == &normd_plateau_schedule_kind ? NORMD_SCHEDULE_STATE : 0;
}

normd_schedule_monitor normd_schedule_monitors(const normd_schedule *schedule)
{
    if (schedule->kind != &normd_plateau_schedule_kind) {
        return NORMD_MONITOR_NOTHING;
    }
    return schedule->plateau.metric ? NORMD_MONITOR_METRIC : NORMD_MONITOR_LOSS;
}

void normd_schedule_note(
    const normd_schedule *schedule, uint64_t steps, bool stepped, double value, double *state)
{
    uint64_t warm = schedule->start + schedule->warmup * schedule->every;
    /* A loss is that of the last step, while a metric is of the weights that the step left. */
    bool metric = normd_schedule_monitors(schedule) == NORMD_MONITOR_METRIC;
    if (steps > warm || (metric && steps == warm)) {
        bool ticks = stepped && (steps - schedule->start) % schedule->every == 0;
        normd_plateau_note(schedule, ticks, value, state);
    }
}

void normd_schedule_rebase(const normd_schedule *schedule, double *state)
{
    if (schedule->kind == &normd_plateau_schedule_kind) {
        normd_plateau_rebase(state);
    }
}
