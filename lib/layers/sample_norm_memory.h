// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_SAMPLE_NORM_MEMORY_H
#define NORMD_LAYERS_SAMPLE_NORM_MEMORY_H

#include "lib/kernels/tiling.h"
#include "lib/layers/sample_norm.h"

/*
 * How a sample norm sees a batch. What is normalized together is a *group*: a channel of `moments`,
 * in one of `blocks` pieces of memory that lie one behind the other. There are two layouts:
 *
 *   rows    a group is a row of memory, and each of its values has a gamma of its own:
 *           (1, groups, values), one block
 *   joints  a gamma belongs to many values of a group. `joint` is the geometry of a block whose
 *           channels have one group and one gamma:
 *             channels first  (1, N * groups, C / groups * S) and (1, N * C, S), one block
 *             channels last   (S, groups, C / groups) and (S, C, 1), a block a sample
 *
 * In both, values and features run on from sample to sample: row or joint j (of all blocks) is of
 * sample j / (rows or joints a sample), and so on.
 */
typedef struct normd_sample_view {
    bool rows;
    size_t blocks, block_values;
    normd_geometry moments;
    normd_geometry joint;
    size_t samples;
    size_t groups;    /* of all samples */
    size_t joints;    /* of all samples; 0 where they are rows */
    size_t per_group; /* features of a group */
    double count;     /* values of a group */
} normd_sample_view;

normd_sample_view normd_sample_view_of(const normd_sample_norm *norm, const normd_shape *x);

/* The batch as a whole: a channel a feature. */
normd_geometry normd_sample_view_features(
    const normd_sample_norm *norm, const normd_sample_view *view, const normd_shape *x);

/* What forward keeps: a value a group, or a feature where it uses running statistics. */
typedef struct normd_sample_norm_kept {
    void *mean_high; /* of the layer's type, as are mean_low and scale */
    void *mean_low;
    void *scale;               /* 1 / sqrt(var + eps) */
    double *inverse_deviation; /* the same */
} normd_sample_norm_kept;

/* What forward uses within itself. */
typedef struct normd_sample_norm_scratch {
    normd_sums *sums;                   /* [block][chunk][group of the block] */
    normd_centered_sums *centered_sums; /* the same */
    normd_channel_moments moments;      /* a group */
    uint8_t *unsettled;                 /* a byte a group */
    void *high, *low, *scale, *bias;    /* of the layer's type, a value a joint */
} normd_sample_norm_scratch;

/* What backward uses within itself. */
typedef struct normd_sample_norm_sums {
    normd_gradient_sums *sums;        /* rows: [range][row]; joints: [block][chunk][joint] */
    double *dbeta, *dgamma;           /* rows: [chunk][feature] */
    void *high, *low, *gamma, *scale; /* of the layer's type, a value a joint */
    void *mean_dy, *slope;            /* a value a row or joint */
} normd_sample_norm_sums;

/* Each sets pointers into `memory` and returns the bytes in all; with NULL only that. */
size_t normd_sample_norm_keep(const normd_sample_norm *norm, const normd_sample_view *view,
    void *memory, normd_sample_norm_kept *kept);
size_t normd_sample_norm_lay_forward(const normd_sample_norm *norm, const normd_sample_view *view,
    void *memory, normd_sample_norm_scratch *scratch);
size_t normd_sample_norm_lay_backward(const normd_sample_norm *norm, const normd_sample_view *view,
    void *memory, normd_sample_norm_sums *sums);

/* How backward cuts the batch: rows as (samples, features, 1), joints as a block of them. */
normd_tiling normd_sample_norm_backward_tiling(
    const normd_sample_norm *norm, const normd_sample_view *view);

/* Copies a value a group of `from` to each of its joints. */
void normd_sample_norm_spread(
    const normd_sample_norm *norm, const normd_sample_view *view, const void *from, void *to);

#endif
