// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_OPTIMIZERS_RATES_H
#define NORMD_OPTIMIZERS_RATES_H

#include "lib/optimizers/rule.h"

/*
 * What a schedule makes of an optimizer's rates. Inside of the optimizer.
 */

/* The option as a map (a string stands for its type), with a schedule that stands in Keras' way, in
   place of learning_rate, moved to `schedule`, and the rate that a schedule says of itself to the
   rate. A new reference, NULL on failure. BAD_ARGUMENT when both say different rates. */
normd_status normd_rates_expand(
    const json_t *option, normd_convention convention, json_t **expanded, normd_error *error);

/* Reads `schedule`, after the groups and their rates. A schedule that moves the momentum gives its
   greatest to every group. */
void normd_rates_read(normd_optimizer *optimizer, normd_options *options);
bool normd_rates_describe(const normd_optimizer *optimizer, json_t *description);

/* The group in this step: a copy with the schedule's momentum, where it moves that. */
normd_group normd_rates_group(
    const normd_optimizer *optimizer, const normd_group *group, uint64_t step);
/* The rate in this step of parameters with base rate `lr`. */
double normd_rates_at(
    const normd_optimizer *optimizer, double lr, uint64_t step, const double *scalars);

#endif
