// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_SAMPLE_NORM_BACKWARD_H
#define NORMD_LAYERS_SAMPLE_NORM_BACKWARD_H

#include "lib/layers/sample_norm_memory.h"

/*
 * With n values a group, s = 1 / sqrt(var + eps), g = dy gamma:
 *
 *   dbeta  = sum dy, dgamma = sum dy (x - mean) s, over all values of that beta or gamma
 *   dx     = s (g - sum g / n - (x - mean) s^2 / n * sum g (x - mean)), sums over the group
 *
 * RMS norm: mean and sum g / n are 0.
 */
typedef struct normd_sample_backward {
    const normd_layer_pass *pass;
    const normd_sample_norm *norm;
    normd_sample_view view;
    normd_tiling tiling; /* normd_sample_norm_backward_tiling */
    normd_sample_norm_kept kept;
    normd_sample_norm_sums sums;
    const void *gamma;    /* a value a feature */
    void *dgamma, *dbeta; /* out; NULL: not wanted */
    normd_stores stores;
} normd_sample_backward;

/* For each layout (sample_norm_backward_rows.c, sample_norm_backward_joints.c). */
void normd_sample_backward_rows(const normd_sample_backward *backward);
void normd_sample_backward_joints(const normd_sample_backward *backward);

#endif
