// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_OPTIMIZERS_OPTIMIZER_H
#define NORMD_OPTIMIZERS_OPTIMIZER_H

#include <jansson.h>
#include <stdint.h>

#include "lib/base/array.h"
#include "lib/conventions/convention.h"
#include "lib/optimizers/averaging.h"
#include "lib/options/options.h"
#include "lib/schedules/schedule.h"

/*
 * Optimizers: rules that make new parameters from old ones, gradients and slots. A rule is a file
 * and a row of the table in optimizer.c. Each has the form of the convention: PyTorch's and Keras'
 * differ in epsilon, weight decay and where the rate stands.
 *
 * An optimizer is made of its options, then gets its parameters (normd_optimizer_place), and never
 * changes from there on; its state lies in the session. A step (step.h) makes coefficients once and
 * runs loops over pieces of parameters (loops.h): new parameters are written beside the old ones,
 * which readers may still hold; slots are changed in place. Updates are element by element: any
 * split of a parameter gives the same bits.
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
    NORMD_OPTIMIZER_MAX_GROUPS = 17, /* with that of all other parameters */
    /* A group has three rates, with and without weight decay. */
    NORMD_OPTIMIZER_MAX_SETS = NORMD_OPTIMIZER_MAX_GROUPS * 6,
    NORMD_SCALAR_NAME_BYTES = 32,
};

/* What a slot is for. */
typedef enum normd_slot_use {
    NORMD_SLOT_RULE,        /* the rule's own */
    NORMD_SLOT_ACCUMULATOR, /* the sum of the gradients of batches that wait for a step */
    NORMD_SLOT_AVERAGE,     /* of the weights, over the steps */
} normd_slot_use;

typedef struct normd_slot {
    const char *name; /* static storage */
    normd_slot_use use;
    size_t number; /* of a rule's slot: its place in normd_update.slot */
} normd_slot;

/* What a scalar of the optimizer's state is for. */
typedef enum normd_scalar_use {
    NORMD_SCALAR_PRODUCT,     /* of the rule, one for each group */
    NORMD_SCALAR_ACCUMULATED, /* batches in the accumulator */
    NORMD_SCALAR_AVERAGED,    /* steps in the average */
    NORMD_SCALAR_SCHEDULE,    /* the schedule's state, one after another */
} normd_scalar_use;

/* A double of the optimizer's state. */
typedef struct normd_scalar {
    char name[NORMD_SCALAR_NAME_BYTES];
    normd_scalar_use use;
    double initial;
} normd_scalar;

typedef struct normd_optimizer normd_optimizer;

/* One contiguous piece of one parameter. Arrays of `count` values of `dtype`, aligned as they
   come, none overlapping another. */
typedef struct normd_update {
    normd_dtype dtype; /* F32 or F64 */
    size_t count;
    const void *weight; /* old */
    const void *gradient;
    void *slot[NORMD_RULE_MAX_SLOTS]; /* NULL: the rule does not use it */
    void *new_weight;
} normd_update;

/* What decides which options a parameter takes. */
typedef struct normd_parameter {
    size_t layer;
    const char *name; /* of the tensor: "weight" */
    normd_parameter_role role;
} normd_parameter;

typedef enum normd_clipping_kind {
    NORMD_CLIP_NONE,
    NORMD_CLIP_VALUE,     /* each value to [-most, most] */
    NORMD_CLIP_NORM_EACH, /* the norm of each parameter's gradient to `most` */
    NORMD_CLIP_NORM,      /* the norm of all gradients together */
} normd_clipping_kind;

typedef struct normd_clipping {
    normd_clipping_kind kind;
    double most;
} normd_clipping;

/* Reads {"type": "sgd"|"adam"|..., "lr", "weight_lr", "bias_lr", ...} (see PROTOCOL.md,
   Optimizers); a string stands for its type with every default; NULL for the convention's default
   optimizer, SGD. */
normd_status normd_optimizer_create(const json_t *option, normd_convention convention,
    normd_optimizer **optimizer, normd_error *error);
void normd_optimizer_destroy(normd_optimizer *optimizer);

/* Every option, defaults filled in, in the words of `convention`; a new reference. The values are
   those of the optimizer's own form. */
json_t *normd_optimizer_describe(const normd_optimizer *optimizer, normd_convention convention);

/* Slots that each parameter needs, as many values as the parameter has: the rule's,
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

/* Gives a parameter its place among the sets of equal options: the first group that matches it, the
   rate of its role, with or without weight decay. The same for equal options; counts from 0. For
   whoever puts the optimizer together with its parameters, before its first step. */
size_t normd_optimizer_place(normd_optimizer *optimizer, const normd_parameter *parameter);
/* BAD_ARGUMENT when a group has got no parameter, with the text that lists them all. */
normd_status normd_optimizer_check_groups(
    const normd_optimizer *optimizer, const char *parameters, normd_error *error);

/* The value that a slot has at first, for the parameters of a set. */
double normd_optimizer_initial(const normd_optimizer *optimizer, size_t set, size_t slot);

const normd_averaging *normd_optimizer_averaging(const normd_optimizer *optimizer);

/* The rate that a parameter of that role, in no group, has at a step, which counts from 1. Scalars
   are the optimizer's, of before the step. */
double normd_optimizer_rate(const normd_optimizer *optimizer, normd_parameter_role role,
    uint64_t step, const double *scalars);
/* The momentum or beta 1 that the schedule gives to all parameters at that step; false: none. */
bool normd_optimizer_momentum(const normd_optimizer *optimizer, uint64_t step, double *momentum);

/* The batches that so many steps, and what waits for the next, were made of; at most UINT64_MAX. */
uint64_t normd_optimizer_batches(
    const normd_optimizer *optimizer, uint64_t steps, const double *scalars);

/* What the schedule looks at, and taking note of it: see normd_schedule_note. */
normd_schedule_monitor normd_optimizer_monitors(const normd_optimizer *optimizer);
void normd_optimizer_note(
    const normd_optimizer *optimizer, uint64_t steps, bool stepped, double value, double *scalars);
/* Adjusts scalars that were carried over from a session with the optimizer `before`: another
   schedule begins anew, and another base rate forgets the schedule's reductions. */
void normd_optimizer_carried(
    const normd_optimizer *optimizer, const normd_optimizer *before, double *scalars);

const normd_clipping *normd_optimizer_clipping(const normd_optimizer *optimizer);
/* What gradients of that 2-norm are multiplied by: PyTorch's clip_grad_norm_ has
   min(1, most / (norm + 1e-6)), Keras most / max(norm, most). */
double normd_optimizer_clip_factor(const normd_optimizer *optimizer, double norm);

#endif
