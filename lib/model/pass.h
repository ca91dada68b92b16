// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MODEL_PASS_H
#define NORMD_MODEL_PASS_H

#include "lib/model/plan.h"

/*
 * The passes of a whole model over one batch: layers in their order, or against it. They own
 * nothing of what a pass points to, and change no slab but those named new.
 */
/* Is told of the passes of layers: of a training pass when it is done, of inference before it. What
   it gives back stops the whole. */
typedef struct normd_observer {
    normd_status (*see)(
        void *context, size_t layer, const normd_layer_pass *pass, normd_error *error);
    void *context;
} normd_observer;

typedef struct normd_pass {
    const normd_model *model;
    const normd_plan *plan;
    const char *parameters;
    const char *statistics; /* forward */
    const char *derived;    /* forward */
    char *new_statistics;   /* forward; a copy of `statistics` to be updated, or NULL */
    const void *x;          /* of the model's type */
    const uint8_t *mask;    /* or NULL */
    normd_shape mask_shape;
    size_t positions; /* valid ones of the mask */
    char *arena;
    void *scratch;
    const normd_observer *observer; /* forward; or NULL */
} normd_pass;

/* Training forward; y has room for the plan's output. BAD_SHAPE, NOT_FINITE. */
normd_status normd_pass_forward(const normd_pass *pass, void *y, normd_error *error);

/* Backward after a forward with the same plan, arena and parameters. `gradient` comes in as dy and
   leaves as dx, if wanted, in a buffer that may be another; otherwise what it leaves as means
   nothing. Writes every trainable tensor of `gradients`. INTERNAL when out of memory. */
normd_status normd_pass_backward(const normd_pass *pass, bool want_dx, char *gradients,
    normd_tensor *gradient, normd_error *error);

/* What inference over one batch reads. */
typedef struct normd_inference {
    const normd_model *model;
    const char *parameters;
    const char *statistics;
    const char *derived;
    normd_shape shape;      /* of x, which has elements */
    const void *x;          /* of the model's type */
    normd_buffer *x_buffer; /* that x lies in, to be used again or released; NULL: x is only read */
    const uint8_t *mask;    /* or NULL; of account where a layer has no running statistics */
    normd_shape mask_shape;
    size_t positions;               /* valid ones of the mask */
    const normd_observer *observer; /* or NULL */
} normd_inference;

/* Eval-mode forward; y is the caller's to release. Takes x_buffer. BAD_SHAPE, INTERNAL. */
normd_status normd_pass_infer(
    const normd_inference *inference, normd_tensor *y, normd_error *error);

/* New parameters and slots from old ones and gradients, by the model's optimizer; `step` counts
   from 1. Where the optimizer accumulates, the gradients are those of the batch that makes the step
   due. NOT_FINITE; INTERNAL when out of memory. */
typedef struct normd_model_update {
    const normd_model *model;
    uint64_t step;
    const char *parameters;
    const char *gradients;
    const char *slots;
    char *new_parameters;
    char *new_slots;
} normd_model_update;
normd_status normd_pass_update(const normd_model_update *update, normd_error *error);

/* New slots with the gradients added to the accumulator, for a batch that makes no step due. New
   parameters are the old ones under their constraints, which Keras applies after every batch; NULL:
   there are no constraints. NOT_FINITE. */
normd_status normd_pass_accumulate(const normd_model_update *update, normd_error *error);

#endif
