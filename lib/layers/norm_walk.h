// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_NORM_WALK_H
#define NORMD_LAYERS_NORM_WALK_H

#include "lib/kernels/tiling.h"
#include "lib/layers/layer.h"

/* One walk over a pass's x that normalizes it into y with coefficients that are known. */
void normd_norm_walk(const normd_layer_pass *pass, const normd_geometry *geometry,
    const normd_normalizer *normalizer);

/* gamma / sqrt(var + eps) of `features` values of `dtype`, for inference; gamma may be NULL for
   1. */
typedef struct normd_norm_fold {
    normd_dtype dtype;
    size_t features;
    double eps;
    const char *gamma;
    const char *var;
} normd_norm_fold;
void normd_norm_derive(const normd_norm_fold *fold, char *derived);

#endif
