// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/rates.h"

#include <string.h>

/* ---- Options ---- */

/* Moves a schedule to where PyTorch's users write it. */
static bool move_schedule(json_t *map, const char *rate_key, const json_t *rate)
{
    return json_object_set_new(map, "schedule", json_deep_copy(rate)) == 0 &&
           json_object_del(map, rate_key) == 0;
}

/* What Keras serializes, as a map of options: the optimizer, and a schedule inside of it. */
static bool deserialize(json_t *map)
{
    static const char *const keys[] = {"learning_rate", "lr", "schedule"};
    bool ok = true;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(map, keys[i]);
        if (json_is_object(value)) {
            ok = json_object_set_new(map, keys[i], normd_options_deserialize(value)) == 0 && ok;
        }
    }
    if (json_is_null(json_object_get(map, "loss_scale_factor"))) {
        json_object_del(map, "loss_scale_factor"); /* none, which is all there is */
    }
    return ok;
}

static normd_status expand(json_t *map, normd_convention convention, normd_error *error)
{
    const char *key = json_object_get(map, "learning_rate") != NULL ? "learning_rate" : "lr";
    const json_t *rate = json_object_get(map, key);
    const json_t *schedule = json_object_get(map, "schedule");
    if (convention == NORMD_KERAS && json_object_get(rate, "type") != NULL) {
        if (schedule != NULL && !json_is_null(schedule)) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "optimizer.schedule: expected nothing beside a %s that is a schedule", key);
        }
        if (!normd_schedule_says_rate(rate)) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "optimizer.%s: expected a schedule that says its rate (`initial_learning_rate`), "
                "or "
                "a number, with the schedule in `schedule`; got a schedule without a rate",
                key);
        }
        if (!move_schedule(map, key, rate)) {
            return normd_error_no_memory(error);
        }
        schedule = json_object_get(map, "schedule");
        rate = NULL;
    }
    double lr;
    if (!normd_schedule_initial_rate(schedule, &lr)) {
        return NORMD_OK;
    }
    if (rate == NULL) {
        return json_object_set_new(map, key, json_real(lr)) == 0 ? NORMD_OK
                                                                 : normd_error_no_memory(error);
    }
    bool says_it = json_object_get(schedule, "initial_learning_rate") != NULL;
    if (says_it && json_is_number(rate) && json_number_value(rate) != lr) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "optimizer.schedule.initial_learning_rate: expected the optimizer's rate %g, got %g",
            json_number_value(rate), lr);
    }
    return NORMD_OK;
}

normd_status normd_rates_expand(
    const json_t *option, normd_convention convention, json_t **expanded, normd_error *error)
{
    json_t *plain = json_is_string(option) ? json_pack("{s:O}", "type", option)
                    : option == NULL       ? json_object()
                                           : normd_options_deserialize(option);
    json_t *map = json_copy(plain);
    json_decref(plain);
    normd_status status = NORMD_OK;
    if (map == NULL || !deserialize(map)) {
        status = normd_error_no_memory(error);
    } else {
        status = expand(map, convention, error);
    }
    if (status != NORMD_OK) {
        json_decref(map);
        map = NULL;
    }
    *expanded = map;
    return status;
}

/* Where the rule has what PyTorch calls momentum, or beta 1; COUNT: neither. */
static normd_option momentum_option(const normd_optimizer_rule *rule)
{
    for (size_t i = 0; i < rule->options; i++) {
        normd_option option = rule->option[i].option;
        if (option == NORMD_OPTION_MOMENTUM || option == NORMD_OPTION_BETA_1) {
            return option;
        }
    }
    return NORMD_OPTION_COUNT;
}

/* The momentum is the schedule's from the first step on, also where the options say none. */
static void take_momentum(normd_optimizer *optimizer, normd_options *options)
{
    double momentum;
    double most;
    if (!normd_schedule_momentum(optimizer->schedule, 1, &momentum, &most)) {
        return;
    }
    normd_option option = momentum_option(optimizer->rule);
    if (option == NORMD_OPTION_COUNT) {
        normd_options_fail(options, "schedule.cycle_momentum",
            "expected false beside type \"%s\", which has no momentum", optimizer->rule->type);
        return;
    }
    for (size_t i = 0; i < optimizer->groups; i++) {
        optimizer->group[i].value[option] = most;
    }
}

void normd_rates_read(normd_optimizer *optimizer, normd_options *options)
{
    const json_t *schedule = normd_options_any(options, "schedule");
    if (schedule == NULL || json_is_null(schedule)) {
        return;
    }
    normd_status status = normd_schedule_create(schedule, optimizer->convention,
        optimizer->group[0].lr, "optimizer.schedule", &optimizer->schedule, &options->error);
    if (status == NORMD_OK) {
        take_momentum(optimizer, options);
    }
}

bool normd_rates_describe(const normd_optimizer *optimizer, json_t *description)
{
    json_t *schedule =
        optimizer->schedule == NULL ? json_null() : normd_schedule_describe(optimizer->schedule);
    return json_object_set_new(description, "schedule", schedule) == 0;
}

/* ---- Steps ---- */

/* The schedule's part of the scalars. */
static size_t state_place(const normd_optimizer *optimizer)
{
    return normd_optimizer_scalar_of(optimizer, NORMD_SCALAR_SCHEDULE);
}

/* The number of the last batch of that step, or the greatest number. */
static uint64_t batches_of(const normd_optimizer *optimizer, uint64_t step)
{
    uint64_t each = optimizer->accumulate_steps;
    return step > UINT64_MAX / each ? UINT64_MAX : step * each;
}

/* The number that the schedule takes for that step: Keras asks for the rate at the batch that makes
   the step, behind those that wait. */
static uint64_t number_of(const normd_optimizer *optimizer, uint64_t step)
{
    return normd_schedule_counts_batches(optimizer->schedule) ? batches_of(optimizer, step) : step;
}

normd_group normd_rates_group(
    const normd_optimizer *optimizer, const normd_group *group, uint64_t step)
{
    normd_group moved = *group;
    double momentum;
    double most;
    if (optimizer->schedule != NULL && normd_schedule_momentum(optimizer->schedule,
                                           number_of(optimizer, step), &momentum, &most)) {
        moved.value[momentum_option(optimizer->rule)] = momentum;
    }
    return moved;
}

double normd_rates_at(
    const normd_optimizer *optimizer, double lr, uint64_t step, const double *scalars)
{
    return optimizer->schedule == NULL
               ? lr
               : normd_schedule_rate(optimizer->schedule, scalars + state_place(optimizer),
                     number_of(optimizer, step), lr);
}

double normd_optimizer_rate(const normd_optimizer *optimizer, normd_parameter_role role,
    uint64_t step, const double *scalars)
{
    const normd_group *group = &optimizer->group[0];
    double lr = role == NORMD_ROLE_NORM_WEIGHT ? group->weight_lr
                : role == NORMD_ROLE_NORM_BIAS ? group->bias_lr
                                               : group->lr;
    return normd_rates_at(optimizer, lr, step, scalars);
}

bool normd_optimizer_momentum(const normd_optimizer *optimizer, uint64_t step, double *momentum)
{
    double most;
    return optimizer->schedule != NULL && normd_schedule_momentum(optimizer->schedule,
                                              number_of(optimizer, step), momentum, &most);
}

normd_schedule_monitor normd_optimizer_monitors(const normd_optimizer *optimizer)
{
    return optimizer->schedule == NULL ? NORMD_MONITOR_NOTHING
                                       : normd_schedule_monitors(optimizer->schedule);
}

uint64_t normd_optimizer_batches(
    const normd_optimizer *optimizer, uint64_t steps, const double *scalars)
{
    uint64_t batches = batches_of(optimizer, steps);
    size_t waiting = normd_optimizer_scalar_of(optimizer, NORMD_SCALAR_ACCUMULATED);
    double found = waiting < optimizer->scalars ? scalars[waiting] : 0.0;
    /* A file may say anything. */
    bool some = found > 0.0 && found < (double)optimizer->accumulate_steps;
    uint64_t more = some ? (uint64_t)found : 0;
    return batches > UINT64_MAX - more ? UINT64_MAX : batches + more;
}

void normd_optimizer_note(
    const normd_optimizer *optimizer, uint64_t steps, bool stepped, double value, double *scalars)
{
    if (optimizer->schedule == NULL) {
        return;
    }
    bool batches = normd_schedule_counts_batches(optimizer->schedule);
    uint64_t number = batches ? normd_optimizer_batches(optimizer, steps, scalars) : steps;
    normd_schedule_note(
        optimizer->schedule, number, stepped || batches, value, scalars + state_place(optimizer));
}

void normd_optimizer_carried(
    const normd_optimizer *optimizer, const normd_optimizer *before, double *scalars)
{
    if (optimizer->schedule == NULL || normd_schedule_states(optimizer->schedule) == 0) {
        return;
    }
    double *state = scalars + state_place(optimizer);
    json_t *now = normd_schedule_describe(optimizer->schedule);
    json_t *then = before->schedule == NULL ? NULL : normd_schedule_describe(before->schedule);
    if (!json_equal(now, then)) {
        memset(state, 0, NORMD_SCHEDULE_STATE * sizeof *state);
    } else if (optimizer->group[0].lr != before->group[0].lr) {
        normd_schedule_rebase(optimizer->schedule, state);
    }
    json_decref(now);
    json_decref(then);
}
