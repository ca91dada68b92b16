// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "lib/session/session_state.h"

/* ---- A metric ---- */

static normd_status check_metric(
    const normd_session *session, const json_t *metric, normd_error *error)
{
    char got[NORMD_OPTIONS_SHOW_BYTES];
    if (normd_optimizer_monitors(session->model->optimizer) != NORMD_MONITOR_METRIC) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "metric: expected none, since the optimizer has no schedule \"reduce_on_plateau\" with "
            "monitor \"metric\"");
    }
    if (!json_is_number(metric) || !isfinite(json_number_value(metric))) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "metric: expected a finite number, got %s",
            normd_options_show(metric, got, sizeof got));
    }
    return NORMD_OK;
}

/* The schedule's state is all that changes. */
static normd_status note_metric(normd_session *session, const json_t *metric, normd_error *error)
{
    normd_status status = check_metric(session, metric, error);
    if (status != NORMD_OK) {
        return status;
    }
    const normd_snapshot *base = session->current;
    const normd_model *model = session->model;
    normd_change change = {
        .slots = normd_slab_take(session->slot_shelf),
        .version = base->version + 1,
        .steps = base->steps,
    };
    if (change.slots == NULL) {
        return normd_error_no_memory(error);
    }
    char *slots = normd_slab_data(change.slots);
    memcpy(slots, normd_slab_data(base->slots), model->slot_bytes);
    normd_optimizer_note(model->optimizer, base->steps, true, json_number_value(metric),
        normd_model_scalars(model, slots));
    return normd_session_publish(session, &change, error);
}

/* ---- Options ---- */

static bool set(json_t *map, const char *key, const json_t *value)
{
    return json_object_set_new(map, key, json_deep_copy(value)) == 0;
}

/* Gives the rates of a map (the optimizer's or a group's) that were `before` the new one. */
static bool move_rates(json_t *map, const char *lr_key, double before, const json_t *lr)
{
    const char *const keys[] = {lr_key, "weight_lr", "bias_lr"};
    bool ok = true;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && ok; i++) {
        const json_t *rate = json_object_get(map, keys[i]);
        if (json_is_number(rate) && json_number_value(rate) == before) {
            ok = set(map, keys[i], lr);
        }
    }
    return ok;
}

static bool set_lr(json_t *optimizer, const char *lr_key, const json_t *lr)
{
    double before = json_number_value(json_object_get(optimizer, lr_key));
    json_t *groups = json_object_get(optimizer, "groups");
    bool ok = move_rates(optimizer, lr_key, before, lr);
    for (size_t i = 0; i < json_array_size(groups) && ok; i++) {
        ok = move_rates(json_array_get(groups, i), lr_key, before, lr);
    }
    return ok && set(optimizer, lr_key, lr);
}

/* A field that is left out stays as it is: "none" says that there shall be none. */
static bool is_none(const json_t *value)
{
    return json_is_string(value) && strcmp(json_string_value(value), "none") == 0;
}

/* The step, or the batch, behind which a new schedule's ticks begin. */
static json_t *here(const normd_session *session, const json_t *schedule)
{
    const normd_model *model = session->model;
    const normd_snapshot *base = session->current;
    uint64_t steps = base->steps;
    if (normd_schedule_option_counts_batches(schedule, model->convention)) {
        const double *scalars = normd_model_scalars(model, normd_slab_data(base->slots));
        steps = normd_optimizer_batches(model->optimizer, steps, scalars);
    }
    return json_integer((json_int_t)steps);
}

/* The ticks of a new schedule count from here; a rate that it says of itself is the new one. */
static bool set_schedule(
    const normd_session *session, json_t *optimizer, const char *lr_key, const json_t *schedule)
{
    if (is_none(schedule)) {
        return json_object_set_new(optimizer, "schedule", json_null()) == 0;
    }
    json_t *begun =
        json_is_string(schedule) ? json_pack("{s:O}", "type", schedule) : json_deep_copy(schedule);
    bool ok = begun != NULL;
    if (ok && json_is_object(begun) && json_object_get(begun, "start") == NULL) {
        ok = json_object_set_new(begun, "start", here(session, begun)) == 0;
    }
    const json_t *initial = json_object_get(begun, "initial_learning_rate");
    if (ok && json_is_number(initial)) {
        ok = set_lr(optimizer, lr_key, initial);
    }
    return json_object_set_new(optimizer, "schedule", begun) == 0 && ok;
}

/* Keras' way to say it stands for the same. */
static bool set_averaging(json_t *optimizer, const json_t *averaging)
{
    json_object_del(optimizer, "use_ema");
    json_object_del(optimizer, "ema_momentum");
    json_object_del(optimizer, "ema_overwrite_frequency");
    return is_none(averaging) ? json_object_set_new(optimizer, "averaging", json_null()) == 0
                              : set(optimizer, "averaging", averaging);
}

static bool edit(const normd_session *session, const json_t *changes, json_t *optimizer)
{
    const char *lr_key = session->model->convention == NORMD_KERAS ? "learning_rate" : "lr";
    const json_t *lr = json_object_get(changes, "lr");
    const json_t *weight_lr = json_object_get(changes, "weight_lr");
    const json_t *bias_lr = json_object_get(changes, "bias_lr");
    const json_t *schedule = json_object_get(changes, "schedule");
    const json_t *averaging = json_object_get(changes, "averaging");
    return (schedule == NULL || set_schedule(session, optimizer, lr_key, schedule)) &&
           (lr == NULL || set_lr(optimizer, lr_key, lr)) &&
           (weight_lr == NULL || set(optimizer, "weight_lr", weight_lr)) &&
           (bias_lr == NULL || set(optimizer, "bias_lr", bias_lr)) &&
           (averaging == NULL || set_averaging(optimizer, averaging));
}

normd_status normd_session_optimizer_set(
    normd_session *session, const json_t *changes, uint64_t *version, normd_error *error)
{
    *version = session->current->version;
    const json_t *metric = json_object_get(changes, "metric");
    size_t count = json_object_size(changes);
    if (count == 0 || (metric != NULL && count > 1)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "optimizer.set: expected one or more of lr, weight_lr, bias_lr, schedule and "
            "averaging, or metric alone; got %s",
            count == 0 ? "none" : "metric beside another");
    }
    if (metric != NULL) {
        normd_status status = note_metric(session, metric, error);
        *version = session->current->version;
        return status;
    }
    json_t *configuration = normd_session_configuration(session);
    json_t *optimizer = json_object_get(configuration, "optimizer");
    normd_status status = optimizer == NULL || !edit(session, changes, optimizer)
                              ? normd_error_no_memory(error)
                              : normd_session_reconfigure(session, configuration, version, error);
    json_decref(configuration);
    return status;
}
