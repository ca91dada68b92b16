// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/rule.h"

/* Adagrad (Duchi, Hazan and Singer, 2011). PyTorch adds epsilon to the root and lets the rate
   decay; Keras adds it below the root. */

static unsigned adagrad_slots(const normd_group *group)
{
    (void)group;
    return 1;
}

static double adagrad_initial(const normd_group *group)
{
    return group->value[NORMD_OPTION_INITIAL_ACCUMULATOR];
}

static void adagrad_prepare(const normd_rule_step *step, normd_coefficients *k)
{
    const double *value = step->group->value;
    bool keras = step->convention == NORMD_KERAS;
    k->loop = NORMD_LOOP_ADAGRAD;
    k->by_gradient = step->lr / (1.0 + (double)(step->step - 1) * value[NORMD_OPTION_LR_DECAY]);
    k->eps_inside = keras ? value[NORMD_OPTION_EPS] : 0.0;
    k->eps = keras ? 0.0 : value[NORMD_OPTION_EPS];
}

const normd_optimizer_rule normd_adagrad_rule = {
    .type = "adagrad",
    .pytorch_lr = 1e-2,
    .keras_lr = 1e-3,
    .option =
        {
            {NORMD_OPTION_LR_DECAY, true, false, 0.0, 0.0},
            {NORMD_OPTION_INITIAL_ACCUMULATOR, true, true, 0.0, 0.1},
            {NORMD_OPTION_EPS, true, true, 1e-10, 1e-7},
            {NORMD_OPTION_WEIGHT_DECAY, true, true, 0.0, 0.0},
            {NORMD_OPTION_DECOUPLED, false, false, 0.0, 1.0},
            {NORMD_OPTION_MAXIMIZE, true, false, 0.0, 0.0},
        },
    .options = 6,
    .slot = {"sum"},
    .slots = adagrad_slots,
    .initial = adagrad_initial,
    .prepare = adagrad_prepare,
};
