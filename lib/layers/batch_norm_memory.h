// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_BATCH_NORM_MEMORY_H
#define NORMD_LAYERS_BATCH_NORM_MEMORY_H

#include "lib/kernels/tiling.h"
#include "lib/layers/batch_norm.h"

/* How batch norm sees a batch, and where its vectors of C values lie in a pass's memory. */
normd_geometry normd_batch_norm_geometry(const normd_batch_norm *norm, const normd_shape *x);

/* The elements of the batch, a measure of the work. */
static inline size_t normd_batch_norm_values(const normd_geometry *geometry)
{
    return geometry->outer * geometry->channels * geometry->inner;
}

/* What forward keeps: C values each. */
typedef struct normd_batch_norm_kept {
    void *mean_high; /* of the layer's type, as are mean_low and scale */
    void *mean_low;
    void *scale; /* gamma / sqrt(var + eps) */
    double *inverse_deviation;
} normd_batch_norm_kept;

size_t normd_batch_norm_kept_bytes(const normd_batch_norm *norm);
normd_batch_norm_kept normd_batch_norm_kept_at(const normd_batch_norm *norm, void *memory);

/* What a pass uses within itself: the records of tiles, [chunk][channel], and vectors of C values.
   Forward and backward use some of it each. */
typedef struct normd_batch_norm_scratch {
    union {
        normd_sums *sums;
        normd_gradient_sums *gradient_sums;
    };
    normd_centered_sums *centered_sums;
    normd_channel_moments moments; /* `uncertain`: in backward, where dy is summed about the mean */
    uint8_t *unsettled;            /* a byte a channel, for the loop */
    void *mean_dy, *slope;         /* of the layer's type */
} normd_batch_norm_scratch;

size_t normd_batch_norm_scratch_bytes(const normd_batch_norm *norm, const normd_tiling *tiling);
normd_batch_norm_scratch normd_batch_norm_scratch_at(
    const normd_batch_norm *norm, const normd_tiling *tiling, void *memory);

#endif
