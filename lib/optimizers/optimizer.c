// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/optimizer.h"

#include <stdlib.h>

#include "lib/optimizers/rates.h"

static const normd_optimizer_rule *const rules[] = {
    &normd_sgd_rule,
    &normd_adam_rule,
    &normd_adamw_rule,
    &normd_rmsprop_rule,
    &normd_adagrad_rule,
    &normd_nadam_rule,
    &normd_lion_rule,
};
enum { RULE_COUNT = sizeof rules / sizeof *rules };

static const normd_optimizer_rule *read_type(normd_options *options)
{
    const char *words[RULE_COUNT + 1] = {NULL};
    for (size_t i = 0; i < RULE_COUNT; i++) {
        words[i] = rules[i]->type;
    }
    return rules[normd_options_kind(options, "type", words, 0)];
}

static const char pytorch_accumulate[] = "accumulate_steps";
static const char keras_accumulate[] = "gradient_accumulation_steps";

static void read_accumulation(normd_optimizer *optimizer, normd_options *options)
{
    const char *key =
        normd_rule_key(options, optimizer->convention, pytorch_accumulate, keras_accumulate);
    optimizer->accumulate_steps =
        (uint64_t)normd_options_integer_or_null(options, key, 1, 1, INT32_MAX);
}

static normd_status read_options(normd_optimizer *optimizer, const json_t *map, normd_error *error)
{
    normd_options options;
    normd_options_begin(&options, map, NULL, "optimizer");
    optimizer->rule = read_type(&options);
    optimizer->groups = 1;
    normd_group_defaults(&optimizer->group[0], optimizer->rule, optimizer->convention);
    normd_group_read(&optimizer->group[0], optimizer->rule, optimizer->convention, &options);
    read_accumulation(optimizer, &options);
    normd_clipping_read(optimizer, &options);
    normd_groups_read(optimizer, &options);
    normd_averaging_read(&optimizer->averaging, optimizer->convention, &options);
    normd_rates_read(optimizer, &options);
    return normd_options_finish(&options, error);
}

normd_status normd_optimizer_create(const json_t *option, normd_convention convention,
    normd_optimizer **optimizer, normd_error *error)
{
    *optimizer = NULL;
    json_t *map = NULL;
    normd_status status = normd_rates_expand(option, convention, &map, error);
    if (status != NORMD_OK) {
        return status;
    }
    normd_optimizer *made = calloc(1, sizeof *made);
    if (made == NULL) {
        json_decref(map);
        return normd_error_no_memory(error);
    }
    made->convention = convention;
    status = read_options(made, map, error);
    json_decref(map);
    if (status != NORMD_OK) {
        normd_optimizer_destroy(made);
        return status;
    }
    normd_optimizer_list_state(made);
    *optimizer = made;
    return NORMD_OK;
}

void normd_optimizer_destroy(normd_optimizer *optimizer)
{
    if (optimizer == NULL) {
        return;
    }
    for (size_t i = 0; i < optimizer->groups; i++) {
        json_decref(optimizer->group[i].match);
    }
    json_decref(optimizer->no_decay);
    normd_schedule_destroy(optimizer->schedule);
    free(optimizer);
}

json_t *normd_optimizer_describe(const normd_optimizer *optimizer, normd_convention convention)
{
    bool keras = convention == NORMD_KERAS;
    json_int_t steps = (json_int_t)optimizer->accumulate_steps;
    json_t *map = json_pack("{s:s}", "type", optimizer->rule->type);
    bool ok = map != NULL &&
              normd_group_describe(
                  &optimizer->group[0], optimizer->rule, optimizer->convention, convention, map) &&
              json_object_set_new(map, keras ? keras_accumulate : pytorch_accumulate,
                  keras && steps == 1 ? json_null() : json_integer(steps)) == 0 &&
              normd_clipping_describe(optimizer, convention, map) &&
              normd_groups_describe(optimizer, convention, map) &&
              normd_averaging_describe(&optimizer->averaging, convention, map) &&
              normd_rates_describe(optimizer, map);
    if (!ok) {
        json_decref(map);
        return NULL;
    }
    return map;
}

const normd_averaging *normd_optimizer_averaging(const normd_optimizer *optimizer)
{
    return &optimizer->averaging;
}

uint64_t normd_optimizer_accumulate_steps(const normd_optimizer *optimizer)
{
    return optimizer->accumulate_steps;
}
