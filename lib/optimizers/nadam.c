// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/rule.h"

#include <math.h>

/* NAdam (Dozat, 2016): Adam with Nesterov's momentum, which grows by a schedule. Both frameworks
   have one form; Keras' momentum decay is fixed at 1. Both corrections of the second average are
   taken out of the division, as in adam.c. */

/* The momentum of a step: mu_t = beta1 (1 - 0.96^(t psi) / 2). */
static double momentum_at(const normd_group *group, double step)
{
    double decay = group->value[NORMD_OPTION_MOMENTUM_DECAY];
    return group->value[NORMD_OPTION_BETA_1] * (1.0 - 0.5 * pow(0.96, step * decay));
}

static double nadam_factor(const normd_group *group, uint64_t step)
{
    return momentum_at(group, (double)step);
}

static unsigned nadam_slots(const normd_group *group)
{
    (void)group;
    return 3;
}

static void nadam_prepare(const normd_rule_step *step, normd_coefficients *k)
{
    const double *value = step->group->value;
    double root_correction = sqrt(1.0 - pow(value[NORMD_OPTION_BETA_2], (double)step->step));
    double momentum = momentum_at(step->group, (double)step->step);
    double next = momentum_at(step->group, (double)step->step + 1.0);
    double rate = step->lr * root_correction;
    k->loop = NORMD_LOOP_NADAM;
    k->take_1 = 1.0 - value[NORMD_OPTION_BETA_1];
    k->keep_2 = value[NORMD_OPTION_BETA_2];
    k->take_2 = 1.0 - value[NORMD_OPTION_BETA_2];
    k->by_gradient = rate * (1.0 - momentum) / (1.0 - step->product);
    k->by_average = rate * next / (1.0 - step->product * next);
    k->eps = value[NORMD_OPTION_EPS] * root_correction;
}

const normd_optimizer_rule normd_nadam_rule = {
    .type = "nadam",
    .pytorch_lr = 2e-3,
    .keras_lr = 1e-3,
    .option =
        {
            {NORMD_OPTION_BETA_1, true, true, 0.9, 0.9},
            {NORMD_OPTION_BETA_2, true, true, 0.999, 0.999},
            {NORMD_OPTION_EPS, true, true, 1e-8, 1e-7},
            {NORMD_OPTION_WEIGHT_DECAY, true, true, 0.0, 0.0},
            {NORMD_OPTION_MOMENTUM_DECAY, true, false, 4e-3, 1.0},
            {NORMD_OPTION_DECOUPLED, true, false, 0.0, 1.0},
            {NORMD_OPTION_MAXIMIZE, true, false, 0.0, 0.0},
        },
    .options = 7,
    .slot = {"exp_avg", "exp_avg_sq"},
    .slots = nadam_slots,
    .product = "mu_product",
    .factor = nadam_factor,
    .prepare = nadam_prepare,
};
