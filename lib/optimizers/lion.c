// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/rule.h"

/* Lion (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023). Keras has it; PyTorch
   does not, and the convention takes the authors' own PyTorch form: the same but for the default
   rate. Weight decay stands beside the gradient in both. */

static unsigned lion_slots(const normd_group *group)
{
    (void)group;
    return 1;
}

static void lion_check(
    const normd_group *group, normd_convention convention, normd_options *options)
{
    if (group->value[NORMD_OPTION_BETA_1] == 0.0) {
        normd_options_fail(options, convention == NORMD_KERAS ? "beta_1" : "betas",
            "expected a first beta above 0, got 0");
    }
}

static void lion_prepare(const normd_rule_step *step, normd_coefficients *k)
{
    const double *value = step->group->value;
    k->loop = NORMD_LOOP_LION;
    k->keep_1 = value[NORMD_OPTION_BETA_1];
    k->take_1 = 1.0 - value[NORMD_OPTION_BETA_1];
    k->keep_2 = value[NORMD_OPTION_BETA_2];
    k->take_2 = 1.0 - value[NORMD_OPTION_BETA_2];
    k->by_gradient = step->lr;
}

const normd_optimizer_rule normd_lion_rule = {
    .type = "lion",
    .pytorch_lr = 1e-4,
    .keras_lr = 1e-3,
    .option =
        {
            {NORMD_OPTION_BETA_1, true, true, 0.9, 0.9},
            {NORMD_OPTION_BETA_2, true, true, 0.99, 0.99},
            {NORMD_OPTION_WEIGHT_DECAY, true, true, 0.0, 0.0},
            {NORMD_OPTION_DECOUPLED, false, false, 1.0, 1.0},
        },
    .options = 4,
    .slot = {"exp_avg"},
    .slots = lion_slots,
    .check = lion_check,
    .prepare = lion_prepare,
};
