// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/layers/batch_norm_loop.h"
#include "lib/layers/batch_norm_memory.h"

typedef struct forward_loop {
    normd_batch_norm_loop base;
    const normd_layer_pass *pass;
    const normd_batch_norm *norm;
    normd_tiling tiling;
    normd_batch_norm_kept kept;
    normd_batch_norm_scratch scratch;
    normd_settling settling;
    normd_normalizer normalizer;
    normd_stores stores;
    double additions;
    atomic_bool broken; /* some result is not finite */
} forward_loop;

static const normd_kernel_set *kernels_of(const forward_loop *loop)
{
    return loop->pass->compute->kernels;
}

static void sum(normd_batch_norm_loop *base, const normd_tile *tile, size_t chunk)
{
    const forward_loop *loop = (forward_loop *)base;
    const normd_geometry *geometry = &loop->tiling.geometry;
    kernels_of(loop)->sums(loop->pass->x, geometry, tile, loop->pass->mask,
        loop->scratch.sums + chunk * geometry->channels);
}

static void settle_moments(forward_loop *loop, size_t begin, size_t end)
{
    if (!kernels_of(loop)->settle(&loop->settling, begin, end)) {
        atomic_store_explicit(&loop->broken, true, memory_order_relaxed);
    }
}

/* Where the sums have too few digits left, the second ones are about the mean, which they do tell:
   rounded to the type, so that a column of equal values has differences of exactly 0. */
static bool settle(normd_batch_norm_loop *base, size_t begin, size_t end)
{
    forward_loop *loop = (forward_loop *)base;
    const normd_channel_moments *moments = &loop->scratch.moments;
    bool uncertain = kernels_of(loop)->moments(loop->scratch.sums, loop->tiling.chunks,
        loop->tiling.geometry.channels, loop->settling.count, loop->additions, begin, end, moments);
    if (!uncertain) {
        settle_moments(loop, begin, end);
        return true;
    }
    for (size_t c = begin; c < end; c++) {
        normd_value_store(loop->norm->base.dtype, loop->kept.mean_high, c, moments->mean[c]);
    }
    return false;
}

static void sum_again(normd_batch_norm_loop *base, const normd_tile *tile, size_t chunk)
{
    const forward_loop *loop = (forward_loop *)base;
    const normd_geometry *geometry = &loop->tiling.geometry;
    kernels_of(loop)->centered_sums(loop->pass->x, geometry, tile, loop->pass->mask,
        loop->kept.mean_high, loop->scratch.moments.uncertain,
        loop->scratch.centered_sums + chunk * geometry->channels);
}

static void settle_again(normd_batch_norm_loop *base, size_t begin, size_t end)
{
    forward_loop *loop = (forward_loop *)base;
    kernels_of(loop)->centered_moments(loop->scratch.centered_sums, loop->tiling.chunks,
        loop->tiling.geometry.channels, loop->settling.count, loop->kept.mean_high, begin, end,
        &loop->scratch.moments);
    settle_moments(loop, begin, end);
}

static void normalize(normd_batch_norm_loop *base, const normd_tile *tile)
{
    const forward_loop *loop = (forward_loop *)base;
    kernels_of(loop)->normalize(loop->pass->x, loop->pass->y, &loop->tiling.geometry, tile,
        &loop->normalizer, loop->stores);
}

/* Says which value is at fault: one of x that is not finite, or moments that overflow. */
static normd_status refuse_channel(const forward_loop *loop, size_t channel, normd_error *error)
{
    const normd_geometry *g = &loop->tiling.geometry;
    const char *x = loop->pass->x;
    size_t size = kernels_of(loop)->element_bytes;
    bool finite = true;
    for (size_t o = 0; o < g->outer && finite; o++) {
        const char *run_of = x + (o * g->channels + channel) * g->inner * size;
        finite = kernels_of(loop)->all_finite(run_of, g->inner);
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

/* Finds the first channel with a result that is not finite. */
static normd_status refuse(const forward_loop *loop, normd_error *error)
{
    normd_dtype dtype = loop->norm->base.dtype;
    const normd_channel_moments *moments = &loop->scratch.moments;
    const normd_settling *by = &loop->settling;
    for (size_t c = 0; c < loop->tiling.geometry.channels; c++) {
        bool high = isfinite(normd_value_load(dtype, loop->kept.mean_high, c));
        if (!high || !isfinite(moments->m2[c])) {
            return refuse_channel(loop, c, error);
        }
        if (!isfinite(normd_value_load(dtype, loop->kept.scale, c))) {
            return normd_error_set(error, NORMD_NOT_FINITE,
                "%s: expected values whose gamma / sqrt(variance + eps) is finite in %s, got "
                "variance %g with eps %g in feature %zu",
                loop->pass->input_name, normd_dtype_title(dtype), moments->m2[c] / by->count,
                by->eps, c);
        }
        if (by->running_mean != NULL &&
            (!isfinite(normd_value_load(dtype, by->running_mean, c)) ||
                !isfinite(normd_value_load(dtype, by->running_var, c)))) {
            return refuse_channel(loop, c, error);
        }
    }
    return NORMD_OK;
}

/* Lets the running statistics move. With one value a channel sum/(n-1) has no meaning, and the
   biased variance, 0, stands in. */
static void move_running(const forward_loop *loop, normd_settling *by)
{
    const normd_batch_norm *norm = loop->norm;
    char *statistics = loop->pass->new_statistics;
    int64_t batches;
    memcpy(&batches, statistics + norm->batches->offset, sizeof batches);
    if (batches < NORMD_MAX_COUNT) {
        batches++;
    }
    memcpy(statistics + norm->batches->offset, &batches, sizeof batches);
    by->take = norm->cumulative ? 1.0 / (double)batches : norm->take;
    by->keep = norm->cumulative ? 1.0 - by->take : norm->keep;
    by->divisor = norm->unbiased && by->count > 1.0 ? by->count - 1.0 : by->count;
    by->running_mean = statistics + norm->mean->offset;
    by->running_var = statistics + norm->var->offset;
}

static normd_status check_counts(const forward_loop *loop, normd_error *error)
{
    const normd_layer_pass *pass = loop->pass;
    char expected[NORMD_SHAPE_TEXT_BYTES];
    char got[NORMD_SHAPE_TEXT_BYTES];
    size_t values = loop->tiling.geometry.outer * loop->tiling.geometry.inner;
    if (pass->mask != NULL) {
        normd_shape shape = {.rank = pass->shape.rank - 1};
        uint32_t features = normd_batch_norm_axis(loop->norm, pass->shape.rank);
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

/* Frozen: inference mode within a training pass. Backward needs the deviations for gamma alone. */
static normd_status forward_frozen(const forward_loop *loop)
{
    const normd_batch_norm *norm = loop->norm;
    size_t bytes = norm->features * normd_dtype_size(norm->base.dtype);
    memcpy(loop->kept.mean_high, loop->pass->statistics + norm->mean->offset, bytes);
    memset(loop->kept.mean_low, 0, bytes);
    memcpy(loop->kept.scale, loop->pass->derived, bytes);
    const char *var = loop->pass->statistics + norm->var->offset;
    for (size_t c = 0; c < norm->features && norm->trainable; c++) {
        double deviation = sqrt(normd_value_load(norm->base.dtype, var, c) + norm->eps);
        loop->kept.inverse_deviation[c] = 1.0 / deviation;
    }
    normd_batch_norm_normalize_running(loop->pass, loop->pass->derived);
    return NORMD_OK;
}

static normd_settling settling_of(const forward_loop *loop)
{
    const normd_layer_pass *pass = loop->pass;
    const normd_batch_norm *norm = loop->norm;
    size_t values = loop->tiling.geometry.outer * loop->tiling.geometry.inner;
    normd_settling settling = {
        .moments = &loop->scratch.moments,
        .count = (double)(pass->mask != NULL ? pass->positions : values),
        .eps = norm->eps,
        .gamma = norm->gamma != NULL ? pass->parameters + norm->gamma->offset : NULL,
        .mean_high = loop->kept.mean_high,
        .mean_low = loop->kept.mean_low,
        .scale = loop->kept.scale,
        .inverse_deviation = loop->kept.inverse_deviation,
    };
    if (norm->track && pass->new_statistics != NULL) {
        move_running(loop, &settling);
    }
    return settling;
}

/* With the batch's own statistics. */
static normd_status forward_batch(forward_loop *loop, normd_error *error)
{
    normd_status status = check_counts(loop, error);
    if (status != NORMD_OK) {
        return status;
    }
    const normd_compute *compute = loop->pass->compute;
    size_t values = normd_batch_norm_values(&loop->tiling.geometry);
    loop->scratch = normd_batch_norm_scratch_at(loop->norm, &loop->tiling, loop->pass->scratch);
    loop->settling = settling_of(loop);
    loop->additions = normd_tiling_additions(&loop->tiling);
    loop->stores = normd_compute_stores(compute, 2 * values * compute->kernels->element_bytes);
    loop->base = (normd_batch_norm_loop){
        .compute = compute,
        .tiling = &loop->tiling,
        .unsettled = loop->scratch.unsettled,
        .sum = sum,
        .settle = settle,
        .sum_again = sum_again,
        .settle_again = settle_again,
        .apply = normalize,
    };
    normd_batch_norm_loop_run(&loop->base);
    bool broken = atomic_load_explicit(&loop->broken, memory_order_relaxed);
    return broken && !loop->norm->base.propagates_nonfinite ? refuse(loop, error) : NORMD_OK;
}

normd_status normd_batch_norm_forward(const normd_layer_pass *pass, normd_error *error)
{
    const normd_batch_norm *norm = normd_batch_norm_of(pass->layer);
    forward_loop loop = {.pass = pass, .norm = norm};
    normd_geometry geometry = normd_batch_norm_geometry(norm, &pass->shape);
    loop.tiling = normd_tiling_of(&geometry);
    loop.kept = normd_batch_norm_kept_at(norm, pass->kept);
    atomic_init(&loop.broken, false);
    loop.normalizer = (normd_normalizer){
        .mean_high = loop.kept.mean_high,
        .mean_low = loop.kept.mean_low,
        .scale = loop.kept.scale,
        .bias = norm->beta != NULL ? pass->parameters + norm->beta->offset : norm->zeros,
        .relu = norm->base.relu_follows,
    };
    return normd_batch_norm_uses_batch(norm) ? forward_batch(&loop, error) : forward_frozen(&loop);
}
