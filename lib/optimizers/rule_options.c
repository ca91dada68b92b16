// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/rule.h"

#include <math.h>
#include <string.h>

typedef enum option_kind { NUMBER, SWITCH, BETA } option_kind;

/* What an option is called and may be, whichever rule has it. */
typedef struct option_facts {
    const char *name[NORMD_CONVENTION_COUNT];
    option_kind kind;
    double least;
    double most[NORMD_CONVENTION_COUNT];
} option_facts;

static const option_facts facts[NORMD_OPTION_COUNT] = {
    [NORMD_OPTION_MOMENTUM] = {{"momentum", "momentum"}, NUMBER, 0.0, {INFINITY, 1.0}},
    [NORMD_OPTION_DAMPENING] = {{"dampening", "dampening"}, NUMBER, -INFINITY,
        {INFINITY, INFINITY}},
    [NORMD_OPTION_NESTEROV] = {{"nesterov", "nesterov"}, SWITCH, 0.0, {1.0, 1.0}},
    [NORMD_OPTION_BETA_1] = {{"beta_1", "beta_1"}, BETA, 0.0, {1.0, 1.0}},
    [NORMD_OPTION_BETA_2] = {{"beta_2", "beta_2"}, BETA, 0.0, {1.0, 1.0}},
    [NORMD_OPTION_ALPHA] = {{"alpha", "rho"}, NUMBER, 0.0, {1.0, 1.0}},
    [NORMD_OPTION_EPS] = {{"eps", "epsilon"}, NUMBER, 0.0, {INFINITY, INFINITY}},
    [NORMD_OPTION_CENTERED] = {{"centered", "centered"}, SWITCH, 0.0, {1.0, 1.0}},
    [NORMD_OPTION_AMSGRAD] = {{"amsgrad", "amsgrad"}, SWITCH, 0.0, {1.0, 1.0}},
    [NORMD_OPTION_LR_DECAY] = {{"lr_decay", "lr_decay"}, NUMBER, 0.0, {INFINITY, INFINITY}},
    [NORMD_OPTION_INITIAL_ACCUMULATOR] = {{"initial_accumulator_value",
                                              "initial_accumulator_value"},
        NUMBER, 0.0, {INFINITY, INFINITY}},
    [NORMD_OPTION_MOMENTUM_DECAY] = {{"momentum_decay", "momentum_decay"}, NUMBER, 0.0,
        {INFINITY, INFINITY}},
    [NORMD_OPTION_WEIGHT_DECAY] = {{"weight_decay", "weight_decay"}, NUMBER, 0.0,
        {INFINITY, INFINITY}},
    [NORMD_OPTION_DECOUPLED] = {{"decoupled_weight_decay", "decoupled_weight_decay"}, SWITCH, 0.0,
        {1.0, 1.0}},
    [NORMD_OPTION_MAXIMIZE] = {{"maximize", "maximize"}, SWITCH, 0.0, {1.0, 1.0}},
};

const char *normd_rule_key(
    normd_options *options, normd_convention convention, const char *pytorch, const char *keras)
{
    const char *own = convention == NORMD_KERAS ? keras : pytorch;
    const char *other = convention == NORMD_KERAS ? pytorch : keras;
    bool has_other = strcmp(own, other) != 0 && normd_options_has(options, other);
    if (has_other && normd_options_has(options, own)) {
        normd_options_fail(
            options, other, "expected one name of this option, got \"%s\" as well", own);
    }
    return has_other ? other : own;
}

static bool has(const normd_rule_option *row, normd_convention convention)
{
    return convention == NORMD_KERAS ? row->keras : row->pytorch;
}

void normd_group_defaults(
    normd_group *group, const normd_optimizer_rule *rule, normd_convention convention)
{
    bool keras = convention == NORMD_KERAS;
    double lr = keras ? rule->keras_lr : rule->pytorch_lr;
    *group = (normd_group){.lr = lr, .weight_lr = lr, .bias_lr = lr};
    for (size_t i = 0; i < rule->options; i++) {
        const normd_rule_option *row = &rule->option[i];
        group->value[row->option] = keras ? row->keras_value : row->pytorch_value;
    }
}

/* A rate of the group holds for its norms as well, where they have none of their own. */
static void read_rates(normd_group *group, normd_convention convention, normd_options *options)
{
    const char *key = normd_rule_key(options, convention, "lr", "learning_rate");
    if (normd_options_has(options, key)) {
        group->lr = normd_options_number(options, key, group->lr, 0.0, INFINITY);
        group->weight_lr = group->lr;
        group->bias_lr = group->lr;
    } else {
        normd_options_any(options, key); /* it is a known key */
    }
    group->weight_lr = normd_options_number(options, "weight_lr", group->weight_lr, 0.0, INFINITY);
    group->bias_lr = normd_options_number(options, "bias_lr", group->bias_lr, 0.0, INFINITY);
}

/* A beta is in [0, 1). */
static double read_beta(normd_options *options, const char *key, double otherwise)
{
    double beta = normd_options_number(options, key, otherwise, 0.0, 1.0);
    if (beta >= 1.0) {
        normd_options_fail(options, key, "expected a number below 1, got %g", beta);
    }
    return beta;
}

static void read_beta_pair(double value[NORMD_OPTION_COUNT], normd_options *options)
{
    const json_t *betas = normd_options_any(options, "betas");
    if (betas == NULL) {
        return;
    }
    double beta[2] = {-1.0, -1.0};
    for (size_t i = 0; i < 2 && json_array_size(betas) == 2; i++) {
        const json_t *one = json_array_get(betas, i);
        beta[i] = json_is_number(one) ? json_number_value(one) : -1.0;
    }
    if (!(beta[0] >= 0.0 && beta[0] < 1.0 && beta[1] >= 0.0 && beta[1] < 1.0)) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(options, "betas", "expected a list of two numbers in [0, 1), got %s",
            normd_options_show(betas, got, sizeof got));
        return;
    }
    value[NORMD_OPTION_BETA_1] = beta[0];
    value[NORMD_OPTION_BETA_2] = beta[1];
}

/* PyTorch writes the betas as a pair, Keras each on its own; both are taken, one of them at a
   time. */
static void read_betas(
    double value[NORMD_OPTION_COUNT], normd_convention convention, normd_options *options)
{
    bool pair = normd_options_has(options, "betas");
    bool single = normd_options_has(options, "beta_1") || normd_options_has(options, "beta_2");
    if (pair && single) {
        normd_options_fail(
            options, "betas", "expected either betas, or beta_1 and beta_2, got both");
    } else if (pair || (!single && convention == NORMD_PYTORCH)) {
        read_beta_pair(value, options);
    } else {
        value[NORMD_OPTION_BETA_1] = read_beta(options, "beta_1", value[NORMD_OPTION_BETA_1]);
        value[NORMD_OPTION_BETA_2] = read_beta(options, "beta_2", value[NORMD_OPTION_BETA_2]);
    }
}

static void read_option(
    double *value, const option_facts *option, normd_convention convention, normd_options *options)
{
    const char *key =
        normd_rule_key(options, convention, option->name[NORMD_PYTORCH], option->name[NORMD_KERAS]);
    double most = option->most[convention];
    bool none = false;
    if (option->kind == SWITCH) {
        *value = normd_options_bool(options, key, *value != 0.0) ? 1.0 : 0.0;
    } else if (option == &facts[NORMD_OPTION_WEIGHT_DECAY] && convention == NORMD_KERAS) {
        /* Keras says null where there is none. */
        double given = normd_options_number_or_null(options, key, *value, 0.0, most, &none);
        *value = none ? 0.0 : given;
    } else {
        *value = normd_options_number(options, key, *value, option->least, most);
    }
}

void normd_group_read(normd_group *group, const normd_optimizer_rule *rule,
    normd_convention convention, normd_options *options)
{
    read_rates(group, convention, options);
    for (size_t i = 0; i < rule->options; i++) {
        const normd_rule_option *row = &rule->option[i];
        if (!has(row, convention) || row->option == NORMD_OPTION_BETA_2) {
            continue;
        }
        if (row->option == NORMD_OPTION_BETA_1) {
            read_betas(group->value, convention, options);
        } else {
            read_option(&group->value[row->option], &facts[row->option], convention, options);
        }
    }
    if (rule->check != NULL) {
        rule->check(group, convention, options);
    }
}

static json_t *describe_value(const option_facts *option, double value)
{
    return option->kind == SWITCH ? json_boolean(value != 0.0) : json_real(value);
}

static bool put(json_t *map, const char *key, json_t *value)
{
    return json_object_set_new(map, key, value) == 0;
}

bool normd_group_describe(const normd_group *group, const normd_optimizer_rule *rule,
    normd_convention own, normd_convention convention, json_t *description)
{
    const double *value = group->value;
    bool keras = convention == NORMD_KERAS;
    bool ok = put(description, keras ? "learning_rate" : "lr", json_real(group->lr)) &&
              put(description, "weight_lr", json_real(group->weight_lr)) &&
              put(description, "bias_lr", json_real(group->bias_lr));
    for (size_t i = 0; i < rule->options && ok; i++) {
        const normd_rule_option *row = &rule->option[i];
        const option_facts *option = &facts[row->option];
        if (!has(row, own) || (option->kind == BETA && !keras)) {
            continue;
        }
        ok = put(description, option->name[convention], describe_value(option, value[row->option]));
    }
    if (ok && !keras && rule->option[0].option == NORMD_OPTION_BETA_1) {
        json_t *pair = json_pack("[f, f]", value[NORMD_OPTION_BETA_1], value[NORMD_OPTION_BETA_2]);
        ok = put(description, "betas", pair);
    }
    return ok;
}
