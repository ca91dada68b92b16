// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "lib/layers/batch_norm_loop.h"
#include "lib/layers/batch_norm_memory.h"

typedef struct forward_loop {
    const normd_layer_pass *pass;
    const normd_batch_norm *norm;
    normd_tiling tiling;
    normd_batch_norm_kept kept;
    normd_moments *moments; /* [chunk][channel]; chunk 0 holds the whole batch's at the end */
    normd_normalizer normalizer;
} forward_loop;

static void moments_tile(void *argument, size_t index)
{
    const forward_loop *loop = argument;
    normd_tile tile = normd_tiling_tile(&loop->tiling, index);
    loop->pass->compute->kernels->moments(loop->pass->x, &loop->tiling.geometry, &tile,
        loop->pass->mask,
        loop->moments + index / loop->tiling.ranges * loop->tiling.geometry.channels);
}

static void normalize_tile(void *argument, size_t index)
{
    const forward_loop *loop = argument;
    normd_tile tile = normd_tiling_tile(&loop->tiling, index);
    loop->pass->compute->kernels->normalize(
        loop->pass->x, loop->pass->y, &loop->tiling.geometry, &tile, &loop->normalizer);
}

/* Merges the chunks, in their order, and computes what the normalizer and backward need. */
static void finish_channels(void *argument, size_t begin, size_t end)
{
    const forward_loop *loop = argument;
    const normd_batch_norm *norm = loop->norm;
    normd_dtype dtype = norm->base.dtype;
    for (size_t c = begin; c < end; c++) {
        normd_moments *total = &loop->moments[c];
        for (size_t chunk = 1; chunk < loop->tiling.chunks; chunk++) {
            normd_moments_merge(total, &loop->moments[chunk * loop->tiling.geometry.channels + c]);
        }
        double deviation = sqrt(total->m2 / total->count + norm->eps);
        double inverse = 1.0 / deviation;
        double gamma = 1.0;
        if (norm->gamma != NULL) {
            gamma = normd_value_load(dtype, loop->pass->parameters + norm->gamma->offset, c);
        }
        normd_value_store(dtype, loop->kept.mean_high, c, total->mean);
        double high = normd_value_load(dtype, loop->kept.mean_high, c);
        normd_value_store(dtype, loop->kept.mean_low, c, (total->mean - high) + total->mean_low);
        normd_value_store(dtype, loop->kept.scale, c, gamma * inverse);
        loop->kept.inverse_deviation[c] = inverse;
    }
}

static void run(forward_loop *loop)
{
    normd_batch_norm_loop_run((normd_batch_norm_loop){
        .compute = loop->pass->compute,
        .tiling = &loop->tiling,
        .sum = moments_tile,
        .finish = finish_channels,
        .apply = normalize_tile,
        .argument = loop,
    });
}

/* Says which value is at fault: one of x that is not finite, or moments that overflow. */
static normd_status refuse_channel(const forward_loop *loop, size_t channel, normd_error *error)
{
    const normd_geometry *g = &loop->tiling.geometry;
    const char *x = loop->pass->x;
    size_t size = normd_dtype_size(loop->norm->base.dtype);
    bool finite = true;
    for (size_t o = 0; o < g->outer && finite; o++) {
        const char *run_of = x + (o * g->channels + channel) * g->inner * size;
        finite = loop->pass->compute->kernels->all_finite(run_of, g->inner);
    }
    if (!finite) {
        return normd_error_set(error, NORMD_NOT_FINITE,
            "%s: expected finite values, got NaN or infinity in feature %zu",
            loop->pass->input_name, channel);
    }
    return normd_error_set(error, NORMD_NOT_FINITE,
        "%s: expected values whose mean and variance are finite in %s, got an overflow in feature "
        "%zu",
        loop->pass->input_name, normd_dtype_title(loop->norm->base.dtype), channel);
}

static normd_status check_moments(const forward_loop *loop, normd_error *error)
{
    normd_dtype dtype = loop->norm->base.dtype;
    for (size_t c = 0; c < loop->tiling.geometry.channels; c++) {
        const normd_moments *m = &loop->moments[c];
        if (!isfinite(m->mean) || !isfinite(m->m2)) {
            return refuse_channel(loop, c, error);
        }
        if (!isfinite(normd_value_load(dtype, loop->kept.scale, c))) {
            return normd_error_set(error, NORMD_NOT_FINITE,
                "%s: expected values whose gamma / sqrt(variance + eps) is finite in %s, got "
                "variance %g with eps %g in feature %zu",
                loop->pass->input_name, normd_dtype_title(dtype), m->m2 / m->count, loop->norm->eps,
                c);
        }
    }
    return NORMD_OK;
}

/* Moves the running statistics. With one value a channel sum/(n-1) has no meaning, and the biased
   variance, 0, stands in. */
static normd_status update_running(const forward_loop *loop, normd_error *error)
{
    const normd_batch_norm *norm = loop->norm;
    normd_dtype dtype = norm->base.dtype;
    char *statistics = loop->pass->new_statistics;
    int64_t batches;
    memcpy(&batches, statistics + norm->batches->offset, sizeof batches);
    if (batches < NORMD_MAX_COUNT) {
        batches++;
    }
    memcpy(statistics + norm->batches->offset, &batches, sizeof batches);
    double take = norm->cumulative ? 1.0 / (double)batches : norm->take;
    double keep = norm->cumulative ? 1.0 - take : norm->keep;
    void *mean = statistics + norm->mean->offset;
    void *var = statistics + norm->var->offset;
    for (size_t c = 0; c < loop->tiling.geometry.channels; c++) {
        const normd_moments *m = &loop->moments[c];
        double divisor = norm->unbiased && m->count > 1.0 ? m->count - 1.0 : m->count;
        double new_mean = keep * normd_value_load(dtype, mean, c) + take * m->mean;
        double new_var = keep * normd_value_load(dtype, var, c) + take * (m->m2 / divisor);
        normd_value_store(dtype, mean, c, new_mean);
        normd_value_store(dtype, var, c, new_var);
        bool finite =
            isfinite(normd_value_load(dtype, mean, c)) && isfinite(normd_value_load(dtype, var, c));
        if (!finite && !norm->base.propagates_nonfinite) {
            return refuse_channel(loop, c, error);
        }
    }
    return NORMD_OK;
}

static normd_status check_counts(const forward_loop *loop, normd_error *error)
{
    const normd_layer_pass *pass = loop->pass;
    char expected[NORMD_SHAPE_TEXT_BYTES];
    char got[NORMD_SHAPE_TEXT_BYTES];
    size_t values = loop->tiling.geometry.outer * loop->tiling.geometry.inner;
    if (pass->mask != NULL) {
        normd_shape shape = {.rank = pass->shape.rank - 1};
        uint32_t features = loop->norm->channels_last ? shape.rank : 1;
        for (uint32_t axis = 0; axis < shape.rank; axis++) {
            shape.dim[axis] = pass->shape.dim[axis < features ? axis : axis + 1];
        }
        if (!normd_shape_equal(&shape, pass->mask_shape)) {
            return normd_error_set(error, NORMD_BAD_SHAPE,
                "mask: expected %s, the shape of %s without its features, got %s",
                normd_shape_format(&shape, expected, sizeof expected), pass->input_name,
                normd_shape_format(pass->mask_shape, got, sizeof got));
        }
        values = pass->positions;
    }
    if (values == 1 && !loop->norm->single_value_allowed) {
        return normd_error_set(error, NORMD_BAD_SHAPE,
            "%s: expected more than 1 value per channel for batch statistics, got %s%s",
            pass->input_name, normd_shape_format(&pass->shape, got, sizeof got),
            pass->mask != NULL ? " with one position valid" : "");
    }
    return NORMD_OK;
}

/* Frozen: inference mode within a training pass. Backward needs the scale alone. */
static normd_status forward_frozen(const forward_loop *loop)
{
    size_t bytes = loop->norm->features * normd_dtype_size(loop->norm->base.dtype);
    memcpy(loop->kept.scale, loop->pass->derived, bytes);
    normd_batch_norm_normalize_running(loop->pass, loop->pass->derived);
    return NORMD_OK;
}

normd_status normd_batch_norm_forward(const normd_layer_pass *pass, normd_error *error)
{
    const normd_batch_norm *norm = normd_batch_norm_of(pass->layer);
    forward_loop loop = {.pass = pass, .norm = norm};
    normd_geometry geometry = normd_batch_norm_geometry(norm, &pass->shape);
    loop.tiling = normd_tiling_of(&geometry);
    loop.kept = normd_batch_norm_kept_at(norm, pass->kept);
    loop.moments = normd_batch_norm_scratch_at(norm, &loop.tiling, pass->scratch).records;
    loop.normalizer = (normd_normalizer){
        .mean_high = loop.kept.mean_high,
        .mean_low = loop.kept.mean_low,
        .scale = loop.kept.scale,
        .bias = norm->beta != NULL ? pass->parameters + norm->beta->offset : norm->zeros,
    };
    if (!normd_batch_norm_uses_batch(norm)) {
        return forward_frozen(&loop);
    }
    normd_status status = check_counts(&loop, error);
    if (status != NORMD_OK) {
        return status;
    }
    run(&loop);
    if (!norm->base.propagates_nonfinite) {
        status = check_moments(&loop, error);
    }
    if (status == NORMD_OK && norm->track && pass->new_statistics != NULL) {
        status = update_running(&loop, error);
    }
    return status;
}
