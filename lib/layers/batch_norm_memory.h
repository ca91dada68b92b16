// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_BATCH_NORM_MEMORY_H
#define NORMD_LAYERS_BATCH_NORM_MEMORY_H

#include "lib/layers/batch_norm_view.h"

/* Where the vectors of a pass lie in its memory, of C values each: the channels of its view. */

/* Whether gamma and beta alone do not say how a channel is normalized: there are virtual batches,
   or corrections of renormalization. batch_norm_renorm.h then gives scale and bias. */
static inline bool normd_batch_norm_is_composed(
    const normd_batch_norm *norm, const normd_batch_norm_view *view)
{
    return view->groups > 1 || (norm->renorm && normd_batch_norm_uses_batch(norm));
}

/* What forward keeps. */
typedef struct normd_batch_norm_kept {
    void *mean_high; /* of the layer's type, as are mean_low and scale */
    void *mean_low;
    void *scale; /* gamma / sqrt(var + eps) */
    double *inverse_deviation;
    /* Where scale and bias are composed, else NULL. */
    void *bias;         /* of the layer's type */
    double *correction; /* r of renormalization, which is 1 without */
    double *shift;      /* d, which is 0 without */
} normd_batch_norm_kept;

size_t normd_batch_norm_kept_bytes(const normd_batch_norm *norm, const normd_batch_norm_view *view);
normd_batch_norm_kept normd_batch_norm_kept_at(
    const normd_batch_norm *norm, const normd_batch_norm_view *view, void *memory);

/* What a pass uses within itself: the records of tiles, [chunk][channel], and vectors.
   Forward and backward use some of it each. */
typedef struct normd_batch_norm_scratch {
    union {
        normd_sums *sums;
        normd_gradient_sums *gradient_sums;
    };
    normd_centered_sums *centered_sums;
    /* As many records more where a tile has several pieces, else NULL. */
    union {
        normd_sums *spare_sums;
        normd_gradient_sums *spare_gradient_sums;
        normd_centered_sums *spare_centered_sums;
    };
    normd_channel_moments moments; /* `uncertain`: in backward, where dy is summed about the mean */
    uint8_t *unsettled;            /* a byte a channel, for the loop */
    void *mean_dy, *slope;         /* of the layer's type */
} normd_batch_norm_scratch;

size_t normd_batch_norm_scratch_bytes(
    const normd_batch_norm *norm, const normd_batch_norm_view *view);
normd_batch_norm_scratch normd_batch_norm_scratch_at(
    const normd_batch_norm *norm, const normd_batch_norm_view *view, void *memory);

#endif
