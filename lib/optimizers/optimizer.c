// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/optimizer.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/optimizers/rule.h"

static const normd_optimizer_rule *const rules[] = {&normd_sgd_rule, &normd_adam_rule};
enum { RULE_COUNT = sizeof rules / sizeof *rules };

double normd_rule_weight_decay(const normd_optimizer *optimizer, normd_options *options)
{
    bool none = false;
    if (optimizer->convention == NORMD_KERAS) {
        return normd_options_number_or_null(options, "weight_decay", 0.0, 0.0, INFINITY, &none);
    }
    return normd_options_number(options, "weight_decay", 0.0, 0.0, INFINITY);
}

static const normd_optimizer_rule *read_type(normd_options *options)
{
    const char *words[RULE_COUNT + 1] = {NULL};
    for (size_t i = 0; i < RULE_COUNT; i++) {
        words[i] = rules[i]->type;
    }
    return rules[normd_options_word(options, "type", words, 0)];
}

static void read_rates(normd_optimizer *optimizer, normd_options *options)
{
    bool keras = optimizer->convention == NORMD_KERAS;
    double otherwise = keras ? optimizer->rule->keras_lr : optimizer->rule->pytorch_lr;
    const char *key = keras && normd_options_has(options, "learning_rate") ? "learning_rate" : "lr";
    optimizer->lr = normd_options_number(options, key, otherwise, 0.0, INFINITY);
    optimizer->weight_lr = normd_options_number(options, "weight_lr", optimizer->lr, 0.0, INFINITY);
    optimizer->bias_lr = normd_options_number(options, "bias_lr", optimizer->lr, 0.0, INFINITY);
}

static void read_accumulation(normd_optimizer *optimizer, normd_options *options)
{
    const char *key = "accumulate_steps";
    const char *keras_key = "gradient_accumulation_steps";
    bool keras = optimizer->convention == NORMD_KERAS && normd_options_has(options, keras_key);
    optimizer->accumulate_steps =
        (uint64_t)normd_options_integer_or_null(options, keras ? keras_key : key, 1, 1, INT32_MAX);
}

static void add_slot(
    normd_optimizer *optimizer, const char *name, normd_slot_use use, size_t number)
{
    assert(optimizer->slots < NORMD_OPTIMIZER_MAX_SLOTS);
    optimizer->slot[optimizer->slots++] = (normd_slot){.name = name, .use = use, .number = number};
}

static void add_scalar(
    normd_optimizer *optimizer, const char *name, normd_scalar_use use, double initial)
{
    assert(optimizer->scalars < NORMD_OPTIMIZER_MAX_SCALARS);
    normd_scalar *scalar = &optimizer->scalar[optimizer->scalars++];
    *scalar = (normd_scalar){.use = use, .initial = initial};
    snprintf(scalar->name, sizeof scalar->name, "%s", name);
}

/* The state of what the options ask for. */
static void list_state(normd_optimizer *optimizer)
{
    const char *name;
    for (size_t i = 0; (name = optimizer->rule->slot_name(optimizer, i)) != NULL; i++) {
        add_slot(optimizer, name, NORMD_SLOT_RULE, i);
    }
    if (optimizer->accumulate_steps > 1) {
        add_slot(optimizer, "gradient_sum", NORMD_SLOT_ACCUMULATOR, 0);
        add_scalar(optimizer, "accumulated_batches", NORMD_SCALAR_ACCUMULATED, 0.0);
    }
}

static normd_status read_options(normd_optimizer *optimizer, const json_t *map, normd_error *error)
{
    normd_options options;
    normd_options_begin(&options, map, NULL, "optimizer");
    optimizer->rule = read_type(&options);
    read_rates(optimizer, &options);
    optimizer->rule->read(optimizer, &options);
    read_accumulation(optimizer, &options);
    return normd_options_finish(&options, error);
}

normd_status normd_optimizer_create(const json_t *option, normd_convention convention,
    normd_optimizer **optimizer, normd_error *error)
{
    *optimizer = NULL;
    json_t *map = NULL;
    if (json_is_string(option)) {
        map = json_pack("{s:s}", "type", json_string_value(option));
        option = map;
        if (map == NULL) {
            return normd_error_no_memory(error);
        }
    }
    normd_optimizer *made = calloc(1, sizeof *made);
    if (made == NULL) {
        json_decref(map);
        return normd_error_no_memory(error);
    }
    made->convention = convention;
    normd_status status = read_options(made, option, error);
    json_decref(map);
    if (status != NORMD_OK) {
        free(made);
        return status;
    }
    list_state(made);
    *optimizer = made;
    return NORMD_OK;
}

void normd_optimizer_destroy(normd_optimizer *optimizer)
{
    free(optimizer);
}

json_t *normd_optimizer_describe(const normd_optimizer *optimizer, normd_convention convention)
{
    const char *lr = convention == NORMD_KERAS ? "learning_rate" : "lr";
    json_t *description = json_pack("{s:s, s:f, s:f, s:f}", "type", optimizer->rule->type, lr,
        optimizer->lr, "weight_lr", optimizer->weight_lr, "bias_lr", optimizer->bias_lr);
    if (description != NULL) {
        const char *accumulate =
            convention == NORMD_KERAS ? "gradient_accumulation_steps" : "accumulate_steps";
        optimizer->rule->describe(optimizer, convention, description);
        json_int_t steps = (json_int_t)optimizer->accumulate_steps;
        bool none = convention == NORMD_KERAS && steps == 1;
        json_object_set_new(description, accumulate, none ? json_null() : json_integer(steps));
    }
    return description;
}

size_t normd_optimizer_slots(const normd_optimizer *optimizer)
{
    return optimizer->slots;
}

const normd_slot *normd_optimizer_slot(const normd_optimizer *optimizer, size_t slot)
{
    return &optimizer->slot[slot];
}

size_t normd_optimizer_slot_of(const normd_optimizer *optimizer, normd_slot_use use)
{
    size_t slot = 0;
    while (slot < optimizer->slots && optimizer->slot[slot].use != use) {
        slot++;
    }
    return slot;
}

size_t normd_optimizer_scalars(const normd_optimizer *optimizer)
{
    return optimizer->scalars;
}

const normd_scalar *normd_optimizer_scalar(const normd_optimizer *optimizer, size_t scalar)
{
    return &optimizer->scalar[scalar];
}

size_t normd_optimizer_scalar_of(const normd_optimizer *optimizer, normd_scalar_use use)
{
    size_t scalar = 0;
    while (scalar < optimizer->scalars && optimizer->scalar[scalar].use != use) {
        scalar++;
    }
    return scalar;
}

uint64_t normd_optimizer_accumulate_steps(const normd_optimizer *optimizer)
{
    return optimizer->accumulate_steps;
}

static double rate_of(const normd_optimizer *optimizer, normd_parameter_role role)
{
    switch (role) {
    case NORMD_ROLE_NORM_WEIGHT:
        return optimizer->weight_lr;
    case NORMD_ROLE_NORM_BIAS:
        return optimizer->bias_lr;
    case NORMD_ROLE_WEIGHT:
    case NORMD_ROLE_BIAS:
    default:
        return optimizer->lr;
    }
}

void normd_optimizer_update(const normd_optimizer *optimizer, const normd_update *update)
{
    assert(update->dtype == NORMD_F32 || update->dtype == NORMD_F64);
    assert(update->step >= 1);
    optimizer->rule->update(optimizer, rate_of(optimizer, update->role), update);
}
