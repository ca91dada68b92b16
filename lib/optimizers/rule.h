// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_OPTIMIZERS_RULE_H
#define NORMD_OPTIMIZERS_RULE_H

#include <stdbool.h>

#include "lib/optimizers/loops.h"
#include "lib/optimizers/optimizer.h"

/*
 * The inside of an optimizer, and what a rule gives to the table in optimizer.c. Adding a rule: a
 * file with its row and the function that makes coefficients of options, a loop where those of
 * loops.h do not serve.
 */

/* Every option that some rule has, beside the rates. Their names and ranges are in rule_options.c;
   a switch is 0 or 1. */
typedef enum normd_option {
    NORMD_OPTION_MOMENTUM,
    NORMD_OPTION_DAMPENING,
    NORMD_OPTION_NESTEROV,
    NORMD_OPTION_BETA_1, /* both betas, or none */
    NORMD_OPTION_BETA_2,
    NORMD_OPTION_ALPHA,
    NORMD_OPTION_EPS,
    NORMD_OPTION_CENTERED,
    NORMD_OPTION_AMSGRAD,
    NORMD_OPTION_LR_DECAY,
    NORMD_OPTION_INITIAL_ACCUMULATOR,
    NORMD_OPTION_MOMENTUM_DECAY,
    NORMD_OPTION_WEIGHT_DECAY,
    NORMD_OPTION_DECOUPLED, /* weight decay stands beside the gradient */
    NORMD_OPTION_MAXIMIZE,
    NORMD_OPTION_COUNT
} normd_option;

/* One option of one rule. Where a convention does not have it, its value is fixed there. */
typedef struct normd_rule_option {
    normd_option option;
    bool pytorch, keras;               /* which convention has it */
    double pytorch_value, keras_value; /* default, or fixed */
} normd_rule_option;

/* The options of some parameters. The first of an optimizer holds those of all that no group
   has. */
typedef struct normd_group {
    json_t *match; /* owned; NULL: the first */
    bool used;     /* it has a parameter */
    double lr;
    double weight_lr;
    double bias_lr;
    double value[NORMD_OPTION_COUNT];
} normd_group;

/* What a rule makes coefficients of. */
typedef struct normd_rule_step {
    const normd_group *group;
    normd_convention convention;
    uint64_t step; /* 1 at the first */
    double lr;
    double product; /* the group's scalar: see `factor` */
} normd_rule_step;

enum { NORMD_RULE_MAX_OPTIONS = 12 };

typedef struct normd_optimizer_rule {
    const char *type; /* as in the option */
    double pytorch_lr, keras_lr;
    normd_rule_option option[NORMD_RULE_MAX_OPTIONS];
    size_t options;
    const char *slot[NORMD_RULE_MAX_SLOTS]; /* names by number */
    /* Which of these a parameter of the group needs, a bit each. */
    unsigned (*slots)(const normd_group *group);
    /* Initial value of all slots; NULL: 0. */
    double (*initial)(const normd_group *group);
    /* Notes what the options must not be together. May be NULL. */
    void (*check)(const normd_group *group, normd_convention convention, normd_options *options);
    /* A scalar that the rule keeps for each group, 1 at first and multiplied by `factor` at the
       beginning of each step. NULL: none. */
    const char *product;
    double (*factor)(const normd_group *group, uint64_t step);
    /* Fills the coefficients beside sign, l2 and shrink, and names the loop. */
    void (*prepare)(const normd_rule_step *step, normd_coefficients *coefficients);
} normd_optimizer_rule;

/* Parameters with the same coefficients. */
typedef struct normd_set {
    size_t group;
    double lr;
    bool decays;
} normd_set;

struct normd_optimizer {
    const normd_optimizer_rule *rule;
    normd_convention convention;
    size_t groups;
    normd_group group[NORMD_OPTIMIZER_MAX_GROUPS];
    json_t *no_decay; /* a match; owned, NULL: none */
    bool no_decay_used;
    size_t sets;
    normd_set set[NORMD_OPTIMIZER_MAX_SETS];
    normd_clipping clipping;
    uint64_t accumulate_steps;
    normd_schedule *schedule; /* or NULL */
    normd_averaging averaging;
    size_t slots;
    normd_slot slot[NORMD_OPTIMIZER_MAX_SLOTS];
    size_t scalars;
    normd_scalar scalar[NORMD_OPTIMIZER_MAX_SCALARS];
};

extern const normd_optimizer_rule normd_sgd_rule;
extern const normd_optimizer_rule normd_adam_rule;
extern const normd_optimizer_rule normd_adamw_rule;
extern const normd_optimizer_rule normd_rmsprop_rule;
extern const normd_optimizer_rule normd_adagrad_rule;
extern const normd_optimizer_rule normd_nadam_rule;
extern const normd_optimizer_rule normd_lion_rule;

/* ---- adam.c ---- */

/* Adam and AdamW differ in defaults alone. */
unsigned normd_adam_slots(const normd_group *group);
void normd_adam_prepare(const normd_rule_step *step, normd_coefficients *coefficients);

/* ---- rule_options.c ---- */

/* Of two names of one option the one that is there, else the convention's; both is a mistake. */
const char *normd_rule_key(
    normd_options *options, normd_convention convention, const char *pytorch, const char *keras);

/* Sets the group to the rule's defaults. */
void normd_group_defaults(
    normd_group *group, const normd_optimizer_rule *rule, normd_convention convention);
/* Reads the rates and the rule's options; what is not there stays. */
void normd_group_read(normd_group *group, const normd_optimizer_rule *rule,
    normd_convention convention, normd_options *options);
/* Puts them into the description, in the words of `convention`. False when out of memory. */
bool normd_group_describe(const normd_group *group, const normd_optimizer_rule *rule,
    normd_convention own, normd_convention convention, json_t *description);

/* ---- groups.c ---- */

/* Reads `groups` and `no_decay`. */
void normd_groups_read(normd_optimizer *optimizer, normd_options *options);
bool normd_groups_describe(
    const normd_optimizer *optimizer, normd_convention convention, json_t *description);

/* ---- clipping.c ---- */

void normd_clipping_read(normd_optimizer *optimizer, normd_options *options);
bool normd_clipping_describe(
    const normd_optimizer *optimizer, normd_convention convention, json_t *description);

/* ---- state.c ---- */

/* Lists the slots and scalars that the options ask for. */
void normd_optimizer_list_state(normd_optimizer *optimizer);

#endif
