// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/rule.h"

/* AdamW (Loshchilov and Hutter, 2019): Adam with weight decay beside the gradient. */

const normd_optimizer_rule normd_adamw_rule = {
    .type = "adamw",
    .pytorch_lr = 1e-3,
    .keras_lr = 1e-3,
    .option =
        {
            {NORMD_OPTION_BETA_1, true, true, 0.9, 0.9},
            {NORMD_OPTION_BETA_2, true, true, 0.999, 0.999},
            {NORMD_OPTION_EPS, true, true, 1e-8, 1e-7},
            {NORMD_OPTION_AMSGRAD, true, true, 0.0, 0.0},
            {NORMD_OPTION_WEIGHT_DECAY, true, true, 1e-2, 4e-3},
            {NORMD_OPTION_DECOUPLED, false, false, 1.0, 1.0},
            {NORMD_OPTION_MAXIMIZE, true, false, 0.0, 0.0},
        },
    .options = 7,
    .slot = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"},
    .slots = normd_adam_slots,
    .prepare = normd_adam_prepare,
};
