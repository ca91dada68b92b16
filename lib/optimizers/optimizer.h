// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_OPTIMIZERS_OPTIMIZER_H
#define NORMD_OPTIMIZERS_OPTIMIZER_H

#include <jansson.h>
#include <stdint.h>

#include "lib/base/array.h"
#include "lib/conventions/convention.h"
#include "lib/options/options.h"

/*
 * Optimizers: rules that make new parameters from old ones, gradients and slots. A rule is a file
 * and a row of the table in optimizer.c. Each has the form of the convention: PyTorch's and Keras'
 * differ in epsilon, weight decay and where the rate stands.
 *
 * New parameters are written beside the old ones, which readers may still hold; slots are changed
 * in place. Updates are element by element: any split of a parameter gives the same bits.
 */

/* The role of a parameter, which decides its rate. */
typedef enum normd_parameter_role {
    NORMD_ROLE_WEIGHT, /* of a linear layer */
    NORMD_ROLE_BIAS,
    NORMD_ROLE_NORM_WEIGHT, /* gamma: `weight_lr` */
    NORMD_ROLE_NORM_BIAS,   /* beta: `bias_lr` */
} normd_parameter_role;

enum { NORMD_OPTIMIZER_MAX_SLOTS = 4 };

typedef struct normd_optimizer normd_optimizer;

/* One contiguous piece of one parameter. Arrays of `count` values of `dtype`, aligned as they
   come. */
typedef struct normd_update {
    normd_dtype dtype; /* F32 or F64 */
    normd_parameter_role role;
    uint64_t step; /* 1 at the first step */
    size_t count;
    const void *weight; /* old */
    const void *gradient;
    void *slot[NORMD_OPTIMIZER_MAX_SLOTS];
    void *new_weight; /* may be `weight` */
} normd_update;

/* Reads {"type": "sgd"|"adam", "lr", "weight_lr", "bias_lr", ...}; a string stands for its type
   with every default; NULL for the convention's default optimizer, SGD. */
normd_status normd_optimizer_create(const json_t *option, normd_convention convention,
    normd_optimizer **optimizer, normd_error *error);
void normd_optimizer_destroy(normd_optimizer *optimizer);

/* Every option, defaults filled in, in the words of `convention`; a new reference. The values are
   those of the optimizer's own form. */
json_t *normd_optimizer_describe(const normd_optimizer *optimizer, normd_convention convention);

/* Slots that each parameter needs, as many values as the parameter has, zero at first; and their
   names as PyTorch's state_dict has them (exp_avg, exp_avg_sq; momentum_buffer). */
size_t normd_optimizer_slots(const normd_optimizer *optimizer);
const char *normd_optimizer_slot_name(const normd_optimizer *optimizer, size_t slot);

void normd_optimizer_update(const normd_optimizer *optimizer, const normd_update *update);

#endif
