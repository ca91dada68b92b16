// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/rule.h"

#include <math.h>

/* Adam (Kingma and Ba, 2015; AMSGrad: Reddi, Kale and Kumar, 2018). PyTorch corrects both averages
   before the division; Keras has the corrections in the rate, which makes its epsilon another one
   ("epsilon hat" in the paper). Multiplied by the root of the second correction, PyTorch's form is
   Keras' with an epsilon of its own each step, and saves a division. The corrections are computed
   in double also for float parameters, where 1 - beta2^t would lose half of its digits. */

unsigned normd_adam_slots(const normd_group *group)
{
    return group->value[NORMD_OPTION_AMSGRAD] != 0.0 ? 7 : 3;
}

void normd_adam_prepare(const normd_rule_step *step, normd_coefficients *k)
{
    const double *value = step->group->value;
    double beta_1 = value[NORMD_OPTION_BETA_1];
    double beta_2 = value[NORMD_OPTION_BETA_2];
    double correction = 1.0 - pow(beta_1, (double)step->step);
    double root_correction = sqrt(1.0 - pow(beta_2, (double)step->step));
    k->loop = value[NORMD_OPTION_AMSGRAD] != 0.0 ? NORMD_LOOP_AMSGRAD : NORMD_LOOP_ADAM;
    k->take_1 = 1.0 - beta_1;
    k->keep_2 = beta_2;
    k->take_2 = 1.0 - beta_2;
    k->by_average = step->lr * root_correction / correction;
    k->eps = value[NORMD_OPTION_EPS] * (step->convention == NORMD_KERAS ? 1.0 : root_correction);
}

const normd_optimizer_rule normd_adam_rule = {
    .type = "adam",
    .pytorch_lr = 1e-3,
    .keras_lr = 1e-3,
    .option =
        {
            {NORMD_OPTION_BETA_1, true, true, 0.9, 0.9},
            {NORMD_OPTION_BETA_2, true, true, 0.999, 0.999},
            {NORMD_OPTION_EPS, true, true, 1e-8, 1e-7},
            {NORMD_OPTION_AMSGRAD, true, true, 0.0, 0.0},
            {NORMD_OPTION_WEIGHT_DECAY, true, true, 0.0, 0.0},
            {NORMD_OPTION_DECOUPLED, true, false, 0.0, 1.0},
            {NORMD_OPTION_MAXIMIZE, true, false, 0.0, 0.0},
        },
    .options = 7,
    .slot = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"},
    .slots = normd_adam_slots,
    .prepare = normd_adam_prepare,
};
