// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/layers/batch_norm_loop.h"
#include "lib/layers/batch_norm_mask.h"
#include "lib/layers/batch_norm_pieces.h"
#include "lib/layers/batch_norm_renorm.h"

/*
 * With n values a channel, s = 1 / sqrt(var + eps), and sums over all positions:
 *
 *   dbeta = sum dy           dgamma = s * sum dy (x - mean)
 *   dx = gamma s (dy - sum dy / n - (x - mean) s^2 / n * sum dy (x - mean))
 *
 * Under a mask n counts the valid positions, and at the others dx = gamma s dy: they are
 * normalized, but took no part in mean and variance. Where scale and bias are composed, see
 * batch_norm_renorm.h; r stands in `scale`, so dx needs nothing else.
 *
 * Where the running statistics normalized, they are constants: dx = gamma s dy everywhere, and
 * dgamma and dbeta are as above, with their mean and s.
 */
typedef struct backward_loop {
    normd_batch_norm_loop base;
    const normd_layer_pass *pass;
    const normd_batch_norm *norm;
    normd_batch_norm_view view;
    normd_batch_norm_kept kept;
    normd_batch_norm_scratch scratch;
    normd_gradient_settling settling;
    normd_batch_norm_gradient_centers centers;
    double count; /* of values under the mask */
    normd_backprojector backprojector;
    normd_normalizer normalizer;  /* of forward */
    const normd_normalizer *gate; /* that, where a ReLU follows, else NULL */
    normd_stores stores;
} backward_loop;

/* sum(dy x) - mean sum(dy) loses digits where the mean is many deviations away from 0; there the
   sum is taken about the mean. For doubles always: their products are rounded. */
static const double far_mean = 0x1p16;

static bool is_far(const backward_loop *loop, size_t channel)
{
    normd_dtype dtype = loop->norm->base.dtype;
    double mean = fabs(normd_value_load(dtype, loop->kept.mean_high, channel));
    return dtype == NORMD_F64 || mean * loop->kept.inverse_deviation[channel] > far_mean;
}

static void sum(normd_batch_norm_loop *base, const normd_tile *tile, size_t chunk)
{
    const backward_loop *loop = (backward_loop *)base;
    size_t records = chunk * loop->view.channels;
    normd_gradient_sums *spare = loop->scratch.spare_gradient_sums;
    normd_batch_norm_gradient_sums(&loop->view, loop->pass, tile, loop->gate, &loop->centers,
        loop->scratch.gradient_sums + records, spare != NULL ? spare + records : NULL);
}

static bool settle(normd_batch_norm_loop *base, size_t begin, size_t end)
{
    const backward_loop *loop = (backward_loop *)base;
    const normd_layer_pass *pass = loop->pass;
    normd_gradient_settling settling = loop->settling;
    for (size_t from = begin, to; from < end; from = to) {
        to = normd_batch_norm_count_end(&loop->view, from, end);
        if (pass->mask == NULL) {
            settling.count = (double)normd_batch_norm_count(&loop->view, from);
        }
        pass->compute->kernels->settle_gradients(&settling, from, to);
    }
    if (pass->mask != NULL && settling.count != loop->count) {
        normd_batch_norm_mask_gradients(
            loop->norm, loop->count, settling.count, &settling, begin, end);
    }
    return true;
}

static void apply(normd_batch_norm_loop *base, const normd_tile *tile)
{
    const backward_loop *loop = (backward_loop *)base;
    normd_batch_norm_backproject(
        &loop->view, loop->pass, tile, loop->gate, &loop->backprojector, loop->stores);
}

static normd_gradient_settling settling_of(const backward_loop *loop, void *dgamma, void *dbeta)
{
    const normd_layer_pass *pass = loop->pass;
    return (normd_gradient_settling){
        .sums = loop->scratch.gradient_sums,
        .chunks = loop->view.tiling.chunks,
        .channels = loop->view.channels,
        .count = pass->mask != NULL ? normd_batch_norm_masked_count(loop->norm, pass) : loop->count,
        .mean_high = loop->kept.mean_high,
        .mean_low = loop->kept.mean_low,
        .inverse_deviation = loop->kept.inverse_deviation,
        .centered = loop->scratch.moments.uncertain,
        .mean_dy = loop->scratch.mean_dy,
        .slope = loop->scratch.slope,
        .dgamma = dgamma,
        .dbeta = dbeta,
    };
}

static void run(backward_loop *loop)
{
    const normd_layer_pass *pass = loop->pass;
    const normd_batch_norm *norm = loop->norm;
    loop->scratch = normd_batch_norm_scratch_at(norm, &loop->view, pass->scratch);
    for (size_t c = 0; c < loop->view.channels; c++) {
        loop->scratch.moments.uncertain[c] = is_far(loop, c);
    }
    bool gamma = norm->gamma != NULL && norm->trainable;
    bool beta = norm->beta != NULL && norm->trainable;
    void *dgamma = gamma ? pass->gradients + norm->gamma->offset : NULL;
    void *dbeta = beta ? pass->gradients + norm->beta->offset : NULL;
    bool composed = normd_batch_norm_is_composed(norm, &loop->view);
    loop->count =
        (double)(pass->mask != NULL ? pass->positions : normd_batch_norm_count(&loop->view, 0));
    loop->settling = settling_of(loop, composed ? NULL : dgamma, composed ? NULL : dbeta);
    loop->centers = (normd_batch_norm_gradient_centers){
        loop->settling.centered, loop->kept.mean_high, loop->kept.mean_low};
    if (normd_batch_norm_uses_batch(norm)) {
        loop->backprojector.mean_high = loop->kept.mean_high;
        loop->backprojector.mean_low = loop->kept.mean_low;
        loop->backprojector.mean_dy = loop->scratch.mean_dy;
        loop->backprojector.slope = loop->scratch.slope;
    }
    loop->base = (normd_batch_norm_loop){
        .compute = pass->compute,
        .tiling = &loop->view.tiling,
        .unsettled = loop->scratch.unsettled,
        .sum = sum,
        .settle = settle,
        .apply = pass->dx != NULL ? apply : NULL,
    };
    normd_batch_norm_loop_run(&loop->base);
    if (composed) {
        normd_batch_norm_collect_gradients(norm, &loop->view, &loop->kept, loop->settling.sums,
            loop->settling.centered, dgamma, dbeta);
    }
}

static void apply_index(void *argument, size_t index)
{
    backward_loop *loop = argument;
    normd_tile tile = normd_tiling_tile(&loop->view.tiling, index);
    apply(&loop->base, &tile);
}

/* Inference mode with nothing to learn: y is a line in x, so dx = dy * scale. */
static void run_frozen(backward_loop *loop)
{
    if (loop->pass->dx == NULL) {
        return;
    }
    loop->view.tiling = normd_tiling_in_order(&loop->view.tiling.geometry);
    size_t elements = normd_batch_norm_values(&loop->view.tiling.geometry);
    size_t tiles = normd_tiling_tiles(&loop->view.tiling);
    normd_compute_tiles(loop->pass->compute, elements, tiles, apply_index, loop);
}

void normd_batch_norm_backward(const normd_layer_pass *pass)
{
    const normd_batch_norm *norm = normd_batch_norm_of(pass->layer);
    backward_loop loop = {.pass = pass, .norm = norm};
    loop.view = normd_batch_norm_view_of(norm, &pass->shape);
    loop.kept = normd_batch_norm_kept_at(norm, &loop.view, pass->kept);
    loop.backprojector.scale = loop.kept.scale;
    loop.normalizer = (normd_normalizer){
        .mean_high = loop.kept.mean_high,
        .mean_low = loop.kept.mean_low,
        .scale = loop.kept.scale,
        .bias = norm->beta != NULL ? pass->parameters + norm->beta->offset : norm->zeros,
        .relu = norm->base.relu_follows,
    };
    if (normd_batch_norm_is_composed(norm, &loop.view)) {
        loop.normalizer.bias = loop.kept.bias;
    }
    loop.gate = loop.normalizer.relu ? &loop.normalizer : NULL;
    size_t bytes =
        normd_batch_norm_values(&loop.view.tiling.geometry) * pass->compute->kernels->element_bytes;
    loop.stores = normd_compute_stores(pass->compute, 3 * bytes);
    bool learns = norm->trainable && (norm->gamma != NULL || norm->beta != NULL);
    if (normd_batch_norm_uses_batch(norm) || learns) {
        run(&loop);
    } else {
        run_frozen(&loop);
    }
}
