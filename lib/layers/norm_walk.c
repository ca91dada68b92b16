// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/norm_walk.h"

#include <math.h>

typedef struct walk {
    const normd_layer_pass *pass;
    normd_tiling tiling;
    const normd_normalizer *normalizer;
    normd_stores stores;
} walk;

static void normalize_tile(void *argument, size_t index)
{
    const walk *w = argument;
    normd_tile tile = normd_tiling_tile(&w->tiling, index);
    w->pass->compute->kernels->normalize(
        w->pass->x, w->pass->y, &w->tiling.geometry, &tile, w->normalizer, w->stores);
}

void normd_norm_walk(const normd_layer_pass *pass, const normd_geometry *geometry,
    const normd_normalizer *normalizer)
{
    size_t values = geometry->outer * geometry->channels * geometry->inner;
    size_t bytes = values * pass->compute->kernels->element_bytes;
    walk w = {
        .pass = pass,
        .tiling = normd_tiling_in_order(geometry),
        .normalizer = normalizer,
        .stores = normd_compute_stores(pass->compute, 2 * bytes),
    };
    normd_compute_tiles(pass->compute, values, normd_tiling_tiles(&w.tiling), normalize_tile, &w);
}

void normd_norm_derive(const normd_norm_fold *fold, char *derived)
{
    for (size_t c = 0; c < fold->features; c++) {
        double gamma = fold->gamma != NULL ? normd_value_load(fold->dtype, fold->gamma, c) : 1.0;
        double deviation = sqrt(normd_value_load(fold->dtype, fold->var, c) + fold->eps);
        normd_value_store(fold->dtype, derived, c, gamma / deviation);
    }
}
