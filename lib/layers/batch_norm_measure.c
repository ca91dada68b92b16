// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm_measure.h"

#include <math.h>

#include "lib/layers/batch_norm_loop.h"
#include "lib/layers/batch_norm_memory.h"
#include "lib/layers/batch_norm_pieces.h"

typedef struct measure_loop {
    normd_batch_norm_loop base;
    const normd_layer_pass *pass;
    normd_dtype dtype;
    normd_batch_norm_view view;
    normd_batch_norm_scratch scratch;
    void *center; /* of the second sums, of the layer's type */
    double count;
} measure_loop;

static void sum(normd_batch_norm_loop *base, const normd_tile *tile, size_t chunk)
{
    const measure_loop *loop = (measure_loop *)base;
    normd_batch_norm_sums(
        &loop->view, loop->pass, tile, loop->scratch.sums + chunk * loop->view.channels, NULL);
}

static bool settle(normd_batch_norm_loop *base, size_t begin, size_t end)
{
    const measure_loop *loop = (measure_loop *)base;
    const normd_channel_moments *moments = &loop->scratch.moments;
    bool uncertain =
        loop->pass->compute->kernels->moments(loop->scratch.sums, loop->view.tiling.chunks,
            loop->view.channels, loop->count, loop->view.additions, begin, end, moments);
    for (size_t c = begin; c < end && uncertain; c++) {
        normd_value_store(loop->dtype, loop->center, c, moments->mean[c]);
    }
    return !uncertain;
}

static void sum_again(normd_batch_norm_loop *base, const normd_tile *tile, size_t chunk)
{
    const measure_loop *loop = (measure_loop *)base;
    normd_batch_norm_centered_sums(&loop->view, loop->pass, tile, loop->center,
        loop->scratch.moments.uncertain, loop->scratch.centered_sums + chunk * loop->view.channels,
        NULL);
}

static void settle_again(normd_batch_norm_loop *base, size_t begin, size_t end)
{
    const measure_loop *loop = (measure_loop *)base;
    loop->pass->compute->kernels->centered_moments(loop->scratch.centered_sums,
        loop->view.tiling.chunks, loop->view.channels, loop->count, loop->center, begin, end,
        &loop->scratch.moments);
}

static normd_status collect(const measure_loop *loop, normd_moments *moments, normd_error *error)
{
    const normd_channel_moments *found = &loop->scratch.moments;
    for (size_t c = 0; c < loop->view.channels; c++) {
        moments[c] = (normd_moments){
            .count = loop->count,
            .mean = found->mean[c],
            .mean_low = found->mean_low[c],
            .m2 = found->m2[c],
        };
        bool finite = isfinite(found->mean[c]) && isfinite(found->m2[c]);
        if (!finite && !loop->pass->layer->propagates_nonfinite) {
            return normd_error_set(error, NORMD_NOT_FINITE,
                "%s: expected values whose mean and variance are finite, got others in feature %zu",
                loop->pass->input_name, c);
        }
    }
    return NORMD_OK;
}

normd_status normd_batch_norm_measure(
    const normd_layer_pass *pass, normd_moments *moments, normd_error *error)
{
    const normd_batch_norm *norm = normd_batch_norm_of(pass->layer);
    measure_loop loop = {.pass = pass, .dtype = norm->base.dtype};
    loop.view = normd_batch_norm_whole_view(norm, &pass->shape);
    loop.count =
        (double)(pass->mask != NULL ? pass->positions : normd_batch_norm_count(&loop.view, 0));
    normd_buffer *scratch =
        normd_buffer_take(pass->compute->buffers, normd_batch_norm_scratch_bytes(norm, &loop.view));
    if (scratch == NULL) {
        return normd_error_no_memory(error);
    }
    loop.scratch = normd_batch_norm_scratch_at(norm, &loop.view, scratch->data);
    loop.center = loop.scratch.mean_dy; /* backward's, and free here */
    loop.base = (normd_batch_norm_loop){
        .compute = pass->compute,
        .tiling = &loop.view.tiling,
        .unsettled = loop.scratch.unsettled,
        .sum = sum,
        .settle = settle,
        .sum_again = sum_again,
        .settle_again = settle_again,
    };
    normd_batch_norm_loop_run(&loop.base);
    normd_status status = collect(&loop, moments, error);
    normd_buffer_release(scratch);
    return status;
}
