// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LOSSES_LOSS_H
#define NORMD_LOSSES_LOSS_H

#include <jansson.h>

#include "lib/conventions/convention.h"
#include "lib/layers/compute.h"
#include "lib/losses/metrics.h"
#include "lib/options/options.h"

/*
 * Losses: from a model's output and a target to one number, its gradient with respect to the
 * output, and metrics. A kind of loss is a file and a row of the table in loss.c (see kind.h). A
 * loss is its kind with options; it never changes, so that all threads share it.
 */
typedef struct normd_loss normd_loss;

/* What a loss is made of. */
typedef struct normd_loss_source {
    const json_t *option;  /* "mse", {"type": "cross_entropy", ...}; or null or NULL: no loss */
    const json_t *metrics; /* a list, or null or NULL */
    const normd_attachments *attachments;
    normd_dtype dtype;           /* of the output: F32 or F64 */
    normd_convention convention; /* whose defaults and words the options have */
    normd_shape output;          /* of the model as far as is known: rank 0, extents 0: unknown */
} normd_loss_source;

/* *loss is NULL when the source has none. BAD_ARGUMENT for a wrong option, or one that does not fit
   the output; INTERNAL. */
normd_status normd_loss_create(
    const normd_loss_source *source, normd_loss **loss, normd_error *error);
/* NULL is let pass. */
void normd_loss_destroy(normd_loss *loss);

/* New references, in the words of `convention`: {"type": ..., every option}, or null for no loss;
   the list of metrics. */
json_t *normd_loss_describe(const normd_loss *loss, normd_convention convention);
json_t *normd_loss_describe_metrics(const normd_loss *loss);

typedef struct normd_loss_pass {
    const normd_compute *compute;
    const void *y; /* the model's output, of the compute's type; not empty */
    normd_shape shape;
    const normd_array *target;        /* data may be unaligned */
    const normd_array *sample_weight; /* (N,), may be unaligned; or NULL: all are 1 */
    void *gradient;                   /* as y, and may be y; NULL: not wanted */
    /* Results. */
    double loss;
    double accuracy; /* share of rows whose largest output (the first of equals) is the target's;
                        of a binary loss, of elements on the target's side; weighted by samples */
    bool has_accuracy;
    size_t metrics;
    normd_metric_value metric[NORMD_METRICS_MAX];
} normd_loss_pass;

/* BAD_SHAPE and BAD_ARGUMENT for target and sample weights; INTERNAL. A loss that is not finite is
   for the caller to judge. */
normd_status normd_loss_run(const normd_loss *loss, normd_loss_pass *pass, normd_error *error);

/* Memory that a loss takes at most, for an output of this shape (which was checked before): the
   target in the compute's type or as labels, sample weights, and what tiles compute with. NULL
   takes none. */
size_t normd_loss_bytes(const normd_loss *loss, const normd_compute *compute, const normd_shape *y);

#endif
