// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/layers/sample_norm_memory.h"

void normd_sample_norm_derive(
    const normd_layer *layer, const char *parameters, const char *statistics, char *derived)
{
    const normd_sample_norm *norm = normd_sample_norm_of(layer);
    if (!norm->track) {
        return;
    }
    const void *gamma = normd_sample_norm_gamma(norm, parameters);
    const char *var = statistics + norm->var->offset;
    for (size_t c = 0; c < norm->features; c++) {
        double deviation = sqrt(normd_value_load(layer->dtype, var, c) + norm->eps);
        normd_value_store(
            layer->dtype, derived, c, normd_value_load(layer->dtype, gamma, c) / deviation);
    }
}

typedef struct infer_loop {
    const normd_layer_pass *pass;
    normd_tiling tiling;
    normd_normalizer normalizer;
    normd_stores stores;
} infer_loop;

static void infer_tile(void *argument, size_t index)
{
    const infer_loop *loop = argument;
    normd_tile tile = normd_tiling_tile(&loop->tiling, index);
    loop->pass->compute->kernels->normalize(loop->pass->x, loop->pass->y, &loop->tiling.geometry,
        &tile, &loop->normalizer, loop->stores);
}

void normd_sample_norm_normalize_running(const normd_layer_pass *pass, const char *derived)
{
    const normd_sample_norm *norm = normd_sample_norm_of(pass->layer);
    normd_sample_view view = normd_sample_view_of(norm, &pass->shape);
    normd_geometry geometry = normd_sample_view_features(norm, &view, &pass->shape);
    infer_loop loop = {.pass = pass, .tiling = normd_tiling_in_order(&geometry)};
    loop.normalizer = (normd_normalizer){
        .mean_high = pass->statistics + norm->mean->offset,
        .mean_low = norm->zeros,
        .scale = derived,
        .bias = normd_sample_norm_beta(norm, pass->parameters),
    };
    size_t values = geometry.outer * geometry.channels * geometry.inner;
    size_t bytes = values * pass->compute->kernels->element_bytes;
    loop.stores = normd_compute_stores(pass->compute, 2 * bytes);
    normd_compute_tiles(pass->compute, values, normd_tiling_tiles(&loop.tiling), infer_tile, &loop);
}
