// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MODEL_PLAN_H
#define NORMD_MODEL_PLAN_H

#include "lib/model/model.h"

/*
 * Where a training pass over a batch of one shape puts things. The arena is one piece of memory
 * that holds, a layer after the other, the output (unless it is written over the input, or the last
 * layer's goes straight to the caller) and what the layer keeps for backward:
 *
 *   | y of layer 0 | kept of layer 0 | y of layer 1 | kept of layer 1 | ...
 */
enum { NORMD_PLAN_OUTSIDE = -1 };

typedef struct normd_plan_step {
    normd_shape y_shape;
    size_t y_offset; /* (size_t)NORMD_PLAN_OUTSIDE: the caller's output */
    size_t kept_offset;
    bool read_again; /* some layer's backward reads what lies at y_offset */
} normd_plan_step;

typedef struct normd_plan {
    unsigned references; /* of one session's thread: the cache's and the contexts' */
    uint64_t used;       /* the cache's clock */
    normd_shape x_shape;
    size_t arena_bytes;
    size_t scratch_bytes;  /* that one layer's pass needs at most */
    size_t gradient_bytes; /* of the gradients of a layer's output and input at one time, at most */
    size_t steps;
    normd_plan_step step[];
} normd_plan;

/* One reference. BAD_SHAPE (also for an x without elements), TOO_LARGE, INTERNAL. */
normd_status normd_plan_create(
    const normd_model *model, const normd_shape *x, normd_plan **plan, normd_error *error);
void normd_plan_release(normd_plan *plan);

/* The shape of the model's output. */
const normd_shape *normd_plan_output(const normd_plan *plan);

#endif
