// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_OPTIMIZERS_STEP_H
#define NORMD_OPTIMIZERS_STEP_H

#include "lib/optimizers/loops.h"

/* The coefficients of a step, by set. */
typedef struct normd_step {
    normd_coefficients set[NORMD_OPTIMIZER_MAX_SETS];
} normd_step;

/* Begins the step of that number, 1 at the first: `scalars`, the optimizer's, become those of the
   step, and coefficients are made of them, once for all pieces of all parameters. */
void normd_step_begin(
    const normd_optimizer *optimizer, uint64_t number, double *scalars, normd_step *step);

#endif
