// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/step.h"

#include <assert.h>

#include "lib/optimizers/rates.h"

/* `scalars`: the optimizer's. */
static void prepare_set(const normd_optimizer *optimizer, const normd_set *set, uint64_t number,
    const double *scalars, normd_coefficients *coefficients)
{
    size_t product = normd_optimizer_scalar_of(optimizer, NORMD_SCALAR_PRODUCT) + set->group;
    normd_group group = normd_rates_group(optimizer, &optimizer->group[set->group], number);
    const double *value = group.value;
    normd_rule_step step = {
        .group = &group,
        .convention = optimizer->convention,
        .step = number,
        .lr = normd_rates_at(optimizer, set->lr, number, scalars),
        .product = optimizer->rule->product != NULL ? scalars[product] : 1.0,
    };
    double decay = set->decays ? value[NORMD_OPTION_WEIGHT_DECAY] : 0.0;
    bool decoupled = value[NORMD_OPTION_DECOUPLED] != 0.0;
    *coefficients = (normd_coefficients){
        .sign = value[NORMD_OPTION_MAXIMIZE] != 0.0 ? -1.0 : 1.0,
        .l2 = decoupled ? 0.0 : decay,
        .shrink = decoupled ? 1.0 - step.lr * decay : 1.0,
    };
    optimizer->rule->prepare(&step, coefficients);
}

void normd_step_begin(
    const normd_optimizer *optimizer, uint64_t number, double *scalars, normd_step *step)
{
    assert(number >= 1);
    const normd_optimizer_rule *rule = optimizer->rule;
    double *products = scalars + normd_optimizer_scalar_of(optimizer, NORMD_SCALAR_PRODUCT);
    for (size_t i = 0; i < optimizer->groups && rule->product != NULL; i++) {
        normd_group group = normd_rates_group(optimizer, &optimizer->group[i], number);
        products[i] *= rule->factor(&group, number);
    }
    for (size_t i = 0; i < optimizer->sets; i++) {
        prepare_set(optimizer, &optimizer->set[i], number, scalars, &step->set[i]);
    }
}
