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

enum {
    NORMD_RULE_MAX_SLOTS = 4,      /* that a rule has a parameter */
    NORMD_OPTIMIZER_MAX_SLOTS = 8, /* with those that are no rule's */
    NORMD_OPTIMIZER_MAX_SCALARS = 64,
    NORMD_SCALAR_NAME_BYTES = 32,
};

/* What a slot is for. */
typedef enum normd_slot_use {
    NORMD_SLOT_RULE,        /* the rule's own */
    NORMD_SLOT_ACCUMULATOR, /* the sum of the gradients of batches that wait for a step */
} normd_slot_use;

typedef struct normd_slot {
    const char *name; /* static storage */
    normd_slot_use use;
    size_t number; /* of a rule's slot: its place in normd_update.slot */
} normd_slot;

/* What a scalar of the optimizer's state is for. */
typedef enum normd_scalar_use {
    NORMD_SCALAR_ACCUMULATED, /* batches in the accumulator */
} normd_scalar_use;

/* A double of the optimizer's state. */
typedef struct normd_scalar {
    char name[NORMD_SCALAR_NAME_BYTES];
    normd_scalar_use use;
    double initial;
} normd_scalar;

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
    void *slot[NORMD_RULE_MAX_SLOTS];
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

/* Slots that each parameter needs, as many values as the parameter has, zero at first: the rule's,
   named as in PyTorch's state_dict (exp_avg, exp_avg_sq; momentum_buffer), then the others. */
size_t normd_optimizer_slots(const normd_optimizer *optimizer);
const normd_slot *normd_optimizer_slot(const normd_optimizer *optimizer, size_t slot);
/* The first slot of that use, or the number of slots. */
size_t normd_optimizer_slot_of(const normd_optimizer *optimizer, normd_slot_use use);

/* Doubles that a step reads and changes once, not a parameter: part of the state as the slots are,
   and laid behind them. */
size_t normd_optimizer_scalars(const normd_optimizer *optimizer);
const normd_scalar *normd_optimizer_scalar(const normd_optimizer *optimizer, size_t scalar);
/* The first scalar of that use, or the number of scalars. */
size_t normd_optimizer_scalar_of(const normd_optimizer *optimizer, normd_scalar_use use);

/* Batches whose gradients' mean makes one step; 1: each makes its own. */
uint64_t normd_optimizer_accumulate_steps(const normd_optimizer *optimizer);

void normd_optimizer_update(const normd_optimizer *optimizer, const normd_update *update);

#endif
