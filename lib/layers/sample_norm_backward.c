// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/sample_norm_backward.h"

typedef struct frozen_walk {
    const normd_layer_pass *pass;
    normd_tiling tiling;
    normd_backprojector backprojector;
    normd_stores stores;
} frozen_walk;

static void frozen_tile(void *argument, size_t index)
{
    const frozen_walk *walk = argument;
    const normd_layer_pass *pass = walk->pass;
    normd_tile tile = normd_tiling_tile(&walk->tiling, index);
    pass->compute->kernels->backward(pass->x, pass->dy, pass->dx, &walk->tiling.geometry, &tile,
        NULL, NULL, &walk->backprojector, walk->stores);
}

/* Inference mode with running statistics: y is a line in x, so dx = dy * scale. */
static void run_frozen(const normd_sample_backward *by, size_t values)
{
    normd_geometry geometry = normd_sample_view_features(by->norm, &by->view, &by->pass->shape);
    frozen_walk walk = {
        .pass = by->pass,
        .tiling = normd_tiling_in_order(&geometry),
        .backprojector = {.scale = by->kept.scale},
        .stores = by->stores,
    };
    if (by->pass->dx != NULL) {
        normd_compute_tiles(
            by->pass->compute, values, normd_tiling_tiles(&walk.tiling), frozen_tile, &walk);
    }
}

void normd_sample_norm_backward(const normd_layer_pass *pass)
{
    const normd_sample_norm *norm = normd_sample_norm_of(pass->layer);
    normd_sample_backward by = {.pass = pass, .norm = norm};
    by.view = normd_sample_view_of(norm, &pass->shape);
    by.tiling = normd_sample_norm_backward_tiling(norm, &by.view);
    normd_sample_norm_keep(norm, &by.view, pass->kept, &by.kept);
    size_t values = by.view.blocks * by.view.block_values;
    size_t bytes = values * pass->compute->kernels->element_bytes;
    by.stores = normd_compute_stores(pass->compute, 3 * bytes);
    if (!normd_sample_norm_uses_sample(norm)) {
        run_frozen(&by, values);
        return;
    }
    normd_sample_norm_lay_backward(norm, &by.view, pass->scratch, &by.sums);
    by.gamma = normd_sample_norm_gamma(norm, pass->parameters);
    if (norm->gamma != NULL && norm->trainable) {
        by.dgamma = pass->gradients + norm->gamma->offset;
    }
    if (norm->beta != NULL && norm->trainable) {
        by.dbeta = pass->gradients + norm->beta->offset;
    }
    if (by.view.rows) {
        normd_sample_backward_rows(&by);
    } else {
        normd_sample_backward_joints(&by);
    }
}
