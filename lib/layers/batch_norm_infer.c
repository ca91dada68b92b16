// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/layers/batch_norm_view.h"

void normd_batch_norm_derive(
    const normd_layer *layer, const char *parameters, const char *statistics, char *derived)
{
    const normd_batch_norm *norm = normd_batch_norm_of(layer);
    if (!norm->track) {
        return;
    }
    const char *var = statistics + norm->var->offset;
    for (size_t c = 0; c < norm->features; c++) {
        double gamma = 1.0;
        if (norm->gamma != NULL) {
            gamma = normd_value_load(layer->dtype, parameters + norm->gamma->offset, c);
        }
        double deviation = sqrt(normd_value_load(layer->dtype, var, c) + norm->eps);
        normd_value_store(layer->dtype, derived, c, gamma / deviation);
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

void normd_batch_norm_normalize_running(const normd_layer_pass *pass, const char *derived)
{
    const normd_batch_norm *norm = normd_batch_norm_of(pass->layer);
    infer_loop loop = {.pass = pass};
    normd_geometry geometry = normd_batch_norm_geometry(norm, &pass->shape);
    loop.tiling = normd_tiling_in_order(&geometry);
    loop.normalizer = (normd_normalizer){
        .mean_high = pass->statistics + norm->mean->offset,
        .mean_low = norm->zeros,
        .scale = derived,
        .bias = norm->beta != NULL ? pass->parameters + norm->beta->offset : norm->zeros,
        .relu = norm->base.relu_follows,
    };
    size_t elements = normd_batch_norm_values(&geometry);
    loop.stores =
        normd_compute_stores(pass->compute, 2 * elements * pass->compute->kernels->element_bytes);
    normd_compute_tiles(
        pass->compute, elements, normd_tiling_tiles(&loop.tiling), infer_tile, &loop);
}

normd_status normd_batch_norm_infer(const normd_layer_pass *pass, normd_error *error)
{
    const normd_batch_norm *norm = normd_batch_norm_of(pass->layer);
    if (!norm->track) {
        return normd_batch_norm_forward(pass, error);
    }
    normd_batch_norm_normalize_running(pass, pass->derived);
    return NORMD_OK;
}
