// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/rule.h"

/* Stochastic gradient descent with momentum. The frameworks' forms differ: PyTorch's buffer holds
   gradients and weight decay is part of the gradient; Keras' holds steps, so that a new rate acts
   only on new gradients, and weight decay stands beside the step. */

static unsigned sgd_slots(const normd_group *group)
{
    return group->value[NORMD_OPTION_MOMENTUM] != 0.0 ? 1 : 0;
}

static void sgd_check(const normd_group *group, normd_convention convention, normd_options *options)
{
    double momentum = group->value[NORMD_OPTION_MOMENTUM];
    double dampening = group->value[NORMD_OPTION_DAMPENING];
    bool nesterov = group->value[NORMD_OPTION_NESTEROV] != 0.0;
    if (convention == NORMD_PYTORCH && nesterov && (momentum == 0.0 || dampening != 0.0)) {
        normd_options_fail(options, "nesterov",
            "expected a momentum above 0 and a dampening of 0 beside true, got %g and %g", momentum,
            dampening);
    }
}

static void sgd_prepare(const normd_rule_step *step, normd_coefficients *k)
{
    const double *value = step->group->value;
    double momentum = value[NORMD_OPTION_MOMENTUM];
    bool nesterov = value[NORMD_OPTION_NESTEROV] != 0.0;
    k->loop = NORMD_LOOP_MOMENTUM;
    k->keep = momentum;
    if (momentum == 0.0) {
        k->loop = NORMD_LOOP_SGD;
        k->by_gradient = step->lr;
    } else if (step->convention == NORMD_KERAS) {
        k->take = -step->lr;
        k->by_gradient = nesterov ? step->lr : 0.0;
        k->by_average = nesterov ? -momentum : -1.0;
    } else {
        /* The buffer begins as the first gradient, undampened. */
        k->keep = step->step == 1 ? 0.0 : momentum;
        k->take = step->step == 1 ? 1.0 : 1.0 - value[NORMD_OPTION_DAMPENING];
        k->by_gradient = nesterov ? step->lr : 0.0;
        k->by_average = nesterov ? step->lr * momentum : step->lr;
    }
}

const normd_optimizer_rule normd_sgd_rule = {
    .type = "sgd",
    .pytorch_lr = 1e-3,
    .keras_lr = 1e-2,
    .option =
        {
            {NORMD_OPTION_MOMENTUM, true, true, 0.0, 0.0},
            {NORMD_OPTION_DAMPENING, true, false, 0.0, 0.0},
            {NORMD_OPTION_NESTEROV, true, true, 0.0, 0.0},
            {NORMD_OPTION_WEIGHT_DECAY, true, true, 0.0, 0.0},
            {NORMD_OPTION_DECOUPLED, false, false, 0.0, 1.0},
            {NORMD_OPTION_MAXIMIZE, true, false, 0.0, 0.0},
        },
    .options = 6,
    .slot = {"momentum_buffer"},
    .slots = sgd_slots,
    .check = sgd_check,
    .prepare = sgd_prepare,
};
