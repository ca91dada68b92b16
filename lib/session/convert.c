// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "lib/layers/batch_norm.h"
#include "lib/layers/sample_norm.h"
#include "lib/session/session_state.h"

/* Why the two forms of a rule are not the same numbers. */
static const struct {
    const char *type;
    const char *reason;
} differences[] = {
    {"adam", "keras adds epsilon to the root before its correction, pytorch behind it"},
    {"adamw", "keras adds epsilon to the root before its correction, pytorch behind it"},
    {"rmsprop", "keras adds epsilon under the root, pytorch to the root"},
    {"adagrad", "keras adds epsilon under the root, pytorch to the root"},
};

/* `got` may be empty. */
static normd_status refuse(
    normd_error *error, const char *path, const char *key, const char *got, const char *reason)
{
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "optimizer: expected one that both conventions compute alike (sgd without momentum, lion, "
        "and nadam with a momentum_decay of 1, all without weight_decay), got %s%s%s%s: %s; give "
        "an `optimizer` that replaces it",
        path, key, got[0] == '\0' ? "" : " = ", got, reason);
}

/* An option that asks for nothing. */
static bool is_neutral(const json_t *value)
{
    return json_is_null(value) || json_is_false(value) ||
           (json_is_number(value) && json_number_value(value) == 0.0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

/* What the shared rules have in both forms, and what is of no account without momentum. */
static bool is_shared(const char *key, const json_t *value)
{
    static const char *const numbers[] = {
        "lr", "learning_rate", "weight_lr", "bias_lr", "dampening", "ema_momentum"};
    static const char *const any[] = {"betas", "beta_1", "beta_2", "eps", "epsilon", "type",
        "accumulate_steps", "gradient_accumulation_steps", "schedule", "clip_grad_value",
        "clipvalue", "match", "no_decay", "groups"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(key, numbers[i]) == 0) {
            return json_is_number(value);
        }
    }
    for (size_t i = 0; i < sizeof any / sizeof *any; i++) {
        if (strcmp(key, any[i]) == 0) {
            return true;
        }
    }
    return false;
}

static const char *reason_for_option(const char *key)
{
    if (strcmp(key, "momentum") == 0) {
        return "pytorch's buffer holds gradients, keras' holds steps";
    }
    if (strcmp(key, "global_clipnorm") == 0 || strcmp(key, "clip_grad_norm") == 0) {
        return "pytorch adds 1e-6 to the norm";
    }
    if (strcmp(key, "weight_decay") == 0) {
        return "pytorch adds it to the gradient, keras takes it off the weight";
    }
    return "the conventions have it in other forms";
}

/* Keras' NAdam has no such option: it is 1. False for another. */
static bool convert_momentum_decay(json_t *optimizer, normd_convention convention)
{
    static const char key[] = "momentum_decay";
    if (convention == NORMD_PYTORCH) {
        return normd_layer_put(optimizer, key, json_real(1.0));
    }
    bool same = json_number_value(json_object_get(optimizer, key)) == 1.0;
    json_object_del(optimizer, key);
    return same;
}

/* The options of all parameters, or of a group (`path`: "groups[0]."), in the new words: without
   what the other convention has no word for. */
static normd_status convert_options(
    json_t *options, const char *path, bool nadam, normd_convention convention, normd_error *error)
{
    if (nadam && !convert_momentum_decay(options, convention)) {
        return refuse(error, path, "momentum_decay", "", "keras has one of 1 alone");
    }
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(options, next, key, value)
    {
        bool kept = nadam && strcmp(key, "momentum_decay") == 0;
        if (kept || (is_shared(key, value) && strcmp(key, "dampening") != 0)) {
            continue;
        }
        if (!is_shared(key, value) && !is_neutral(value)) {
            char got[NORMD_OPTIONS_SHOW_BYTES];
            return refuse(error, path, key, normd_options_show(value, got, sizeof got),
                reason_for_option(key));
        }
        json_object_del(options, key);
    }
    return NORMD_OK;
}

/* The description in the new words. */
static normd_status convert_optimizer(
    json_t *optimizer, normd_convention convention, normd_error *error)
{
    const char *type = json_string_value(json_object_get(optimizer, "type"));
    bool nadam = strcmp(type, "nadam") == 0;
    if (strcmp(type, "sgd") != 0 && strcmp(type, "lion") != 0 && !nadam) {
        const char *reason = "the conventions have other forms of it";
        for (size_t i = 0; i < sizeof differences / sizeof *differences; i++) {
            if (strcmp(differences[i].type, type) == 0) {
                reason = differences[i].reason;
            }
        }
        return refuse(error, "", type, "", reason);
    }
    normd_status status = convert_options(optimizer, "", nadam, convention, error);
    json_t *groups = json_object_get(optimizer, "groups");
    for (size_t i = 0; i < json_array_size(groups) && status == NORMD_OK; i++) {
        char path[32];
        snprintf(path, sizeof path, "groups[%zu].", i);
        status = convert_options(json_array_get(groups, i), path, nadam, convention, error);
    }
    return status;
}

static bool has_counterpart(double momentum)
{
    return normd_convention_complement(normd_convention_complement(momentum)) == momentum;
}

/* The layer's momenta that have a direction: how many, up to 2, with the names of their options. */
static size_t list_momenta(const normd_layer *layer, double value[2], const char *name[2])
{
    size_t count = 0;
    if (layer->operations == &normd_batch_norm_operations) {
        const normd_batch_norm *norm = normd_batch_norm_of(layer);
        if (!norm->cumulative) {
            name[count] = "momentum";
            value[count++] = norm->momentum;
        }
        if (norm->renorm) {
            name[count] = "renorm_momentum";
            value[count++] = norm->renorm_momentum;
        }
    } else if (layer->operations == &normd_instance_norm_operations) {
        const normd_sample_norm *norm = normd_sample_norm_of(layer);
        if (norm->track && !norm->cumulative) {
            name[count] = "momentum";
            value[count++] = norm->momentum;
        }
    }
    return count;
}

/* Both factors of the running update must come out of the other momentum to the bit. */
static normd_status check_momenta(const normd_model *model, normd_error *error)
{
    for (size_t i = 0; i < model->layers; i++) {
        double value[2];
        const char *name[2];
        size_t count = list_momenta(model->layer[i], value, name);
        for (size_t k = 0; k < count; k++) {
            if (!has_counterpart(value[k])) {
                return normd_error_set(error, NORMD_BAD_ARGUMENT,
                    "layers[%zu].%s: expected a number that 1 - momentum has a double for, as "
                    "those of up to 15 digits; got %.17g, which the other convention can only "
                    "round",
                    i, name[k], value[k]);
            }
        }
    }
    return NORMD_OK;
}

static normd_status make_configuration(const normd_model *model, normd_convention convention,
    const json_t *optimizer, json_t **configuration, normd_error *error)
{
    const char *name = normd_convention_facts_of(convention)->name;
    json_t *made = normd_model_configuration(model, convention);
    *configuration = made;
    if (made == NULL || !normd_layer_put(made, "convention", json_string(name))) {
        return normd_error_no_memory(error);
    }
    if (optimizer == NULL) {
        return convert_optimizer(json_object_get(made, "optimizer"), convention, error);
    }
    return normd_layer_put(made, "optimizer", json_deep_copy(optimizer))
               ? NORMD_OK
               : normd_error_no_memory(error);
}

normd_status normd_session_convert(normd_session *session, normd_convention convention,
    const json_t *optimizer, uint64_t *version, normd_error *error)
{
    const normd_model *model = session->model;
    *version = session->current->version;
    if (model->convention == convention && optimizer == NULL) {
        return NORMD_OK;
    }
    json_t *configuration = NULL;
    normd_status status = NORMD_OK;
    if (model->convention != convention) {
        status = check_momenta(model, error);
    }
    if (status == NORMD_OK) {
        status = make_configuration(model, convention, optimizer, &configuration, error);
    }
    if (status == NORMD_OK) {
        status = normd_session_reconfigure(session, configuration, version, error);
    }
    json_decref(configuration);
    return status;
}
