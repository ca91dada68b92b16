// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LOSSES_CROSS_ENTROPY_H
#define NORMD_LOSSES_CROSS_ENTROPY_H

#include "lib/losses/kind.h"

/*
 * Cross-entropy of rows: torch.nn.CrossEntropyLoss, keras.losses.CategoricalCrossentropy and
 * SparseCategoricalCrossentropy. A row is the outputs of one sample at one position, along the axis
 * of the classes; a label, or a target for each class, goes with it.
 */

/* ---- cross_entropy_options.c ---- */

void normd_cross_entropy_read(normd_loss *loss, normd_options *options, const normd_shape *output);
bool normd_cross_entropy_describe(const normd_loss *loss, normd_convention convention, json_t *map);

/* ---- cross_entropy_target.c ---- */

/* The rows of a batch and what each has for a target. Row r of class c lies at element
   r / stride * classes * stride + c * stride + r % stride. */
typedef struct normd_entropy_rows {
    size_t rows;
    size_t classes;
    size_t stride;     /* between the classes of a row */
    size_t per_sample; /* rows of a sample */
    int64_t *labels;   /* of each row; of probabilities, the first largest; below 0: ignored */
    const void *probabilities;   /* of the compute's type, laid out as y; or NULL */
    const double *sample_weight; /* of each sample, or NULL */
} normd_entropy_rows;

static inline size_t normd_entropy_place(const normd_entropy_rows *rows, size_t row)
{
    return row / rows->stride * rows->classes * rows->stride + row % rows->stride;
}

static inline double normd_entropy_sample_weight(const normd_entropy_rows *rows, size_t row)
{
    return rows->sample_weight == NULL ? 1.0 : rows->sample_weight[row / rows->per_sample];
}

/* Checks the shapes of output and target and fills in the layout; *is_labels says which form the
   target has. BAD_SHAPE, BAD_ARGUMENT. */
normd_status normd_entropy_layout(const normd_loss *loss, const normd_loss_pass *pass,
    normd_entropy_rows *rows, bool *is_labels, normd_error *error);

/* Reads the labels of the target into rows->labels; ignored ones become -1. BAD_ARGUMENT for one
   that is no class. */
normd_status normd_entropy_labels(const normd_loss *loss, const normd_array *target,
    const normd_entropy_rows *rows, normd_error *error);

/* The divisor of the loss, and the sum of the counted rows' sample weights. BAD_ARGUMENT where
   PyTorch's mean is one of no rows. */
normd_status normd_entropy_divisor(const normd_loss *loss, const normd_entropy_rows *rows,
    double *divisor, double *weights, normd_error *error);

#endif
