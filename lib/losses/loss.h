// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LOSSES_LOSS_H
#define NORMD_LOSSES_LOSS_H

#include <jansson.h>

#include "lib/layers/compute.h"

/*
 * Losses: from a model's output and a target to one number, and its gradient with respect to the
 * output. A kind of loss is a file and a row of the table in loss.c.
 */
typedef struct normd_loss_pass {
    const normd_compute *compute;
    const void *y; /* the model's output, of the compute's type; not empty */
    normd_shape shape;
    const normd_array *target; /* data may be unaligned */
    void *gradient;            /* as y, and may be y; NULL: not wanted */
    /* Results. */
    double loss;
    double accuracy; /* share of rows whose largest output (the first of equals) is the target's */
    bool has_accuracy;
} normd_loss_pass;

typedef struct normd_loss {
    const char *type;
    uint32_t output_rank; /* that y must have; 0: any */
    /* BAD_SHAPE and BAD_ARGUMENT for the target; a loss that is not finite is for the caller to
       judge. */
    normd_status (*run)(normd_loss_pass *pass, normd_error *error);
} normd_loss;

/* Reads "cross_entropy", {"type": "mse"}; missing or null: *loss is NULL. */
normd_status normd_loss_create(const json_t *option, const normd_loss **loss, normd_error *error);

/* Memory that a loss takes at most, for an output of this shape (which was checked before): the
   target in the compute's type, or a number a row; and the sums of tiles. */
size_t normd_loss_bytes(const normd_compute *compute, const normd_shape *y);

/* A new reference: {"type": ...}, or null. */
json_t *normd_loss_describe(const normd_loss *loss);

/* softmax, then the mean over the rows of -log p of the target (cross_entropy.c). y is (N, C). The
   target holds N class numbers of any integer type, or (N, C) probabilities. */
extern const normd_loss normd_cross_entropy;

/* The mean over all elements of (y - target)^2 (mse.c). */
extern const normd_loss normd_mse;

/* The target's values in the compute's type: in place where they are that already, else converted
   into a buffer that the caller releases. NULL and INTERNAL when out of memory. */
const void *normd_loss_target_values(
    const normd_loss_pass *pass, normd_buffer **buffer, normd_error *error);

#endif
