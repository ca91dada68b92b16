// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm_loop.h"
#include "lib/layers/batch_norm_memory.h"

/*
 * With n values a channel, s = 1 / sqrt(var + eps), and sums over all positions:
 *
 *   dbeta = sum dy           dgamma = s * sum dy (x - mean)
 *   dx = gamma s (dy - sum dy / n - (x - mean) s^2 / n * sum dy (x - mean))
 *
 * Under a mask n counts the valid positions, and at the others dx = gamma s dy: they are
 * normalized, but took no part in mean and variance.
 */
typedef struct backward_loop {
    const normd_layer_pass *pass;
    const normd_batch_norm *norm;
    normd_tiling tiling;
    normd_batch_norm_kept kept;
    normd_backward_sums *sums; /* [chunk][channel]; chunk 0 holds the whole batch's at the end */
    void *mean_dy;
    void *slope;
    double count;
    const uint8_t *mask;
    normd_backprojector backprojector;
} backward_loop;

static void sums_tile(void *argument, size_t index)
{
    const backward_loop *loop = argument;
    normd_tile tile = normd_tiling_tile(&loop->tiling, index);
    loop->pass->compute->kernels->backward_sums(loop->pass->x, loop->pass->dy,
        &loop->tiling.geometry, &tile, loop->kept.mean_high, loop->kept.mean_low,
        loop->sums + index / loop->tiling.ranges * loop->tiling.geometry.channels);
}

static void apply_tile(void *argument, size_t index)
{
    const backward_loop *loop = argument;
    normd_tile tile = normd_tiling_tile(&loop->tiling, index);
    loop->pass->compute->kernels->backward_apply(loop->pass->x, loop->pass->dy, loop->pass->dx,
        &loop->tiling.geometry, &tile, loop->mask, &loop->backprojector);
}

static void finish_channels(void *argument, size_t begin, size_t end)
{
    const backward_loop *loop = argument;
    const normd_batch_norm *norm = loop->norm;
    normd_dtype dtype = norm->base.dtype;
    for (size_t c = begin; c < end; c++) {
        normd_backward_sums *total = &loop->sums[c];
        for (size_t chunk = 1; chunk < loop->tiling.chunks; chunk++) {
            const normd_backward_sums *part =
                &loop->sums[chunk * loop->tiling.geometry.channels + c];
            total->dy += part->dy;
            total->dy_centered += part->dy_centered;
        }
        double inverse = loop->kept.inverse_deviation[c];
        normd_value_store(dtype, loop->mean_dy, c, total->dy / loop->count);
        normd_value_store(
            dtype, loop->slope, c, total->dy_centered / loop->count * (inverse * inverse));
        if (norm->gamma != NULL && norm->trainable) {
            normd_value_store(dtype, loop->pass->gradients + norm->gamma->offset, c,
                total->dy_centered * inverse);
        }
        if (norm->beta != NULL && norm->trainable) {
            normd_value_store(dtype, loop->pass->gradients + norm->beta->offset, c, total->dy);
        }
    }
}

static void run(backward_loop *loop)
{
    normd_batch_norm_loop_run((normd_batch_norm_loop){
        .compute = loop->pass->compute,
        .tiling = &loop->tiling,
        .sum = sums_tile,
        .finish = finish_channels,
        .apply = loop->pass->dx != NULL ? apply_tile : NULL,
        .argument = loop,
    });
}

/* Inference mode: y is a line in x, so dx = dy * scale. */
static void run_frozen(backward_loop *loop)
{
    if (loop->pass->dx == NULL) {
        return;
    }
    const void *zeros = loop->norm->zeros;
    loop->backprojector.mean_high = zeros;
    loop->backprojector.mean_low = zeros;
    loop->backprojector.mean_dy = zeros;
    loop->backprojector.slope = zeros;
    loop->mask = NULL;
    size_t elements = normd_batch_norm_values(&loop->tiling.geometry);
    size_t tiles = normd_tiling_tiles(&loop->tiling);
    normd_compute_tiles(loop->pass->compute, elements, tiles, apply_tile, loop);
}

void normd_batch_norm_backward(const normd_layer_pass *pass)
{
    const normd_batch_norm *norm = normd_batch_norm_of(pass->layer);
    backward_loop loop = {.pass = pass, .norm = norm, .mask = pass->mask};
    normd_geometry geometry = normd_batch_norm_geometry(norm, &pass->shape);
    loop.tiling = normd_tiling_of(&geometry);
    loop.kept = normd_batch_norm_kept_at(norm, pass->kept);
    normd_batch_norm_scratch scratch =
        normd_batch_norm_scratch_at(norm, &loop.tiling, pass->scratch);
    loop.sums = scratch.records;
    loop.mean_dy = scratch.first;
    loop.slope = scratch.second;
    size_t values = geometry.outer * geometry.inner;
    loop.count = (double)(pass->mask != NULL ? pass->positions : values);
    loop.backprojector = (normd_backprojector){
        .mean_high = loop.kept.mean_high,
        .mean_low = loop.kept.mean_low,
        .mean_dy = loop.mean_dy,
        .slope = loop.slope,
        .scale = loop.kept.scale,
    };
    if (normd_batch_norm_uses_batch(norm)) {
        run(&loop);
    } else {
        run_frozen(&loop);
    }
}
