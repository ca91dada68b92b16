// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/rule.h"

/* RMSprop (Hinton, lecture 6e, 2012; centered: Graves, 2013). PyTorch adds epsilon to the root and
   the rate stands before the buffer; Keras adds it below the root and the buffer holds steps. */

static unsigned rmsprop_slots(const normd_group *group)
{
    bool heavy = group->value[NORMD_OPTION_MOMENTUM] != 0.0;
    bool centered = group->value[NORMD_OPTION_CENTERED] != 0.0;
    return 1U | (heavy ? 2U : 0U) | (centered ? 4U : 0U);
}

static void rmsprop_prepare(const normd_rule_step *step, normd_coefficients *k)
{
    const double *value = step->group->value;
    bool keras = step->convention == NORMD_KERAS;
    bool heavy = value[NORMD_OPTION_MOMENTUM] != 0.0;
    bool centered = value[NORMD_OPTION_CENTERED] != 0.0;
    if (centered) {
        k->loop = heavy ? NORMD_LOOP_RMSPROP_CENTERED_HEAVY : NORMD_LOOP_RMSPROP_CENTERED;
    } else {
        k->loop = heavy ? NORMD_LOOP_RMSPROP_HEAVY : NORMD_LOOP_RMSPROP;
    }
    k->keep = value[NORMD_OPTION_MOMENTUM];
    k->keep_2 = value[NORMD_OPTION_ALPHA];
    k->take_2 = 1.0 - value[NORMD_OPTION_ALPHA];
    k->by_gradient = heavy && !keras ? 1.0 : step->lr;
    k->by_average = keras ? 1.0 : step->lr;
    k->eps_inside = keras ? value[NORMD_OPTION_EPS] : 0.0;
    k->eps = keras ? 0.0 : value[NORMD_OPTION_EPS];
}

const normd_optimizer_rule normd_rmsprop_rule = {
    .type = "rmsprop",
    .pytorch_lr = 1e-2,
    .keras_lr = 1e-3,
    .option =
        {
            {NORMD_OPTION_ALPHA, true, true, 0.99, 0.9},
            {NORMD_OPTION_EPS, true, true, 1e-8, 1e-7},
            {NORMD_OPTION_MOMENTUM, true, true, 0.0, 0.0},
            {NORMD_OPTION_CENTERED, true, true, 0.0, 0.0},
            {NORMD_OPTION_WEIGHT_DECAY, true, true, 0.0, 0.0},
            {NORMD_OPTION_DECOUPLED, false, false, 0.0, 1.0},
            {NORMD_OPTION_MAXIMIZE, true, false, 0.0, 0.0},
        },
    .options = 7,
    .slot = {"square_avg", "momentum_buffer", "grad_avg"},
    .slots = rmsprop_slots,
    .prepare = rmsprop_prepare,
};
