// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_SAMPLE_NORM_ROWS_H
#define NORMD_LAYERS_SAMPLE_NORM_ROWS_H

#include "lib/base/array.h"
#include "lib/kernels/kernels.h"

/*
 * What is done to one row of memory, or a piece of it, that is normalized together while each of
 * its values has a gamma of its own: the affine half of layer norm. The order of every sum comes
 * from the number of values alone.
 */
typedef struct normd_row {
    size_t count;
    const void *x;
    const void *dy;           /* backward */
    void *to;                 /* y, may be x; or dx, may be dy */
    const void *gamma, *beta; /* `count` values each */
    double high, low;         /* the mean, as in normd_normalizer; values of the type */
    double scale;             /* 1 / sqrt(var + eps), a value of the type */
    double mean_dy, slope;    /* of dy * gamma, as in normd_backprojector; values of the type */
} normd_row;

/* For one type. */
typedef struct normd_row_operations {
    /* y = (x - mean) scale gamma + beta */
    void (*normalize)(const normd_row *row);
    /* The sums of dy gamma, and of dy gamma (x - mean). */
    normd_gradient_sums (*sums)(const normd_row *row);
    /* dbeta += dy; dgamma += dy (x - mean) inverse. */
    void (*add_gradients)(const normd_row *row, double inverse, double *dbeta, double *dgamma);
    /* dx = (dy gamma - mean_dy - (x - mean) slope) scale */
    void (*backward)(const normd_row *row);
} normd_row_operations;

/* For F32 or F64; static storage. */
const normd_row_operations *normd_row_operations_of(normd_dtype dtype);

#endif
