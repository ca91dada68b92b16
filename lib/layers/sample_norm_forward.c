// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "lib/layers/moments_loop.h"
#include "lib/layers/sample_norm_memory.h"
#include "lib/layers/sample_norm_rows.h"

enum { FEW_BLOCKS = 8 }; /* fewer are cut into tiles, one after the other; more are tiles */

typedef struct forward_pass {
    const normd_layer_pass *pass;
    const normd_sample_norm *norm;
    normd_sample_view view;
    normd_tiling tiling; /* of a block, for its moments */
    normd_sample_norm_kept kept;
    normd_sample_norm_scratch scratch;
    const void *gamma, *beta;
    atomic_bool broken; /* some result is not finite */
} forward_pass;

typedef struct rows_loop {
    normd_moments_loop moments;
    const forward_pass *forward;
} rows_loop;

static size_t value_bytes(const forward_pass *forward)
{
    return forward->pass->compute->kernels->element_bytes;
}

/* Rows: a tile is pieces of rows, which are normalized while they are in the cache. */
static void normalize_rows(normd_batch_norm_loop *base, const normd_tile *tile)
{
    const forward_pass *forward = ((rows_loop *)base)->forward;
    const normd_sample_norm *norm = forward->norm;
    const normd_dtype dtype = norm->base.dtype;
    const normd_row_operations *operations = normd_row_operations_of(dtype);
    const size_t size = value_bytes(forward), begin = tile->inner_begin;
    for (size_t r = tile->channel_begin; r < tile->channel_end; r++) {
        size_t at = (r * forward->view.per_group + begin) * size;
        size_t feature = r % norm->groups * forward->view.per_group + begin;
        normd_row row = {
            .count = tile->inner_end - begin,
            .x = (const char *)forward->pass->x + at,
            .to = (char *)forward->pass->y + at,
            .gamma = (const char *)forward->gamma + feature * size,
            .beta = (const char *)forward->beta + feature * size,
            .high = normd_value_load(dtype, forward->kept.mean_high, r),
            .low = normd_value_load(dtype, forward->kept.mean_low, r),
            .scale = normd_value_load(dtype, forward->kept.scale, r),
        };
        operations->normalize(&row);
    }
}

/* The moments of one block; of rows, y as well. */
static void run_block(forward_pass *forward, size_t block, const normd_compute *compute)
{
    const size_t first = block * forward->view.moments.channels, size = value_bytes(forward);
    const normd_sample_norm_scratch *scratch = &forward->scratch;
    const normd_sample_norm_kept *kept = &forward->kept;
    const normd_channel_moments moments = {
        .mean = scratch->moments.mean + first,
        .mean_low = scratch->moments.mean_low + first,
        .m2 = scratch->moments.m2 + first,
        .uncertain = scratch->moments.uncertain + first,
    };
    rows_loop loop = {.forward = forward};
    normd_moments_loop_begin(&loop.moments, compute, &forward->tiling, scratch->unsettled + first);
    loop.moments.x = (const char *)forward->pass->x + block * forward->view.block_values * size;
    loop.moments.about_zero = forward->norm->about_zero;
    loop.moments.sums = scratch->sums + first * forward->tiling.chunks;
    loop.moments.centered_sums = scratch->centered_sums + first * forward->tiling.chunks;
    loop.moments.settling = (normd_settling){
        .moments = &moments,
        .count = forward->view.count,
        .eps = forward->norm->eps,
        .mean_high = (char *)kept->mean_high + first * size,
        .mean_low = (char *)kept->mean_low + first * size,
        .scale = (char *)kept->scale + first * size,
        .inverse_deviation = kept->inverse_deviation + first,
    };
    loop.moments.base.apply = forward->view.rows ? normalize_rows : NULL;
    normd_batch_norm_loop_run(&loop.moments.base);
    if (atomic_load_explicit(&loop.moments.broken, memory_order_relaxed)) {
        atomic_store_explicit(&forward->broken, true, memory_order_relaxed);
    }
}

static void block_alone(void *argument, size_t block)
{
    forward_pass *forward = argument;
    normd_compute compute = *forward->pass->compute;
    compute.pool = NULL;
    run_block(forward, block, &compute);
}

static void run_blocks(forward_pass *forward)
{
    const normd_compute *compute = forward->pass->compute;
    size_t blocks = forward->view.blocks;
    if (blocks >= FEW_BLOCKS) {
        normd_compute_tiles(
            compute, blocks * forward->view.block_values, blocks, block_alone, forward);
        return;
    }
    for (size_t block = 0; block < blocks; block++) {
        run_block(forward, block, compute);
    }
}

/* Joints: a value of each coefficient a joint, and a walk over the batch. */
typedef struct joints_walk {
    const forward_pass *forward;
    normd_tiling tiling;
    size_t tiles; /* of a block */
    normd_stores stores;
} joints_walk;

static void normalize_joints(void *argument, size_t index)
{
    const joints_walk *walk = argument;
    const forward_pass *forward = walk->forward;
    const normd_sample_norm_scratch *scratch = &forward->scratch;
    const size_t size = value_bytes(forward), block = index / walk->tiles;
    const size_t first = block * forward->view.joint.channels * size;
    const size_t at = block * forward->view.block_values * size;
    normd_tile tile = normd_tiling_tile(&walk->tiling, index % walk->tiles);
    normd_normalizer normalizer = {
        .mean_high = (const char *)scratch->high + first,
        .mean_low = (const char *)scratch->low + first,
        .scale = (const char *)scratch->scale + first,
        .bias = (const char *)scratch->bias + first,
    };
    forward->pass->compute->kernels->normalize((const char *)forward->pass->x + at,
        (char *)forward->pass->y + at, &forward->view.joint, &tile, &normalizer, walk->stores);
}

static void run_joints(forward_pass *forward)
{
    const normd_sample_view *view = &forward->view;
    const normd_sample_norm *norm = forward->norm;
    const normd_sample_norm_scratch *scratch = &forward->scratch;
    const normd_dtype dtype = norm->base.dtype;
    normd_sample_norm_spread(norm, view, forward->kept.mean_high, scratch->high);
    normd_sample_norm_spread(norm, view, forward->kept.mean_low, scratch->low);
    for (size_t j = 0; j < view->joints; j++) {
        double gamma = normd_value_load(dtype, forward->gamma, j % norm->features);
        double beta = normd_value_load(dtype, forward->beta, j % norm->features);
        double inverse = forward->kept.inverse_deviation[j / view->per_group];
        normd_value_store(dtype, scratch->scale, j, gamma * inverse);
        normd_value_store(dtype, scratch->bias, j, beta);
    }
    const normd_compute *compute = forward->pass->compute;
    size_t values = view->blocks * view->block_values;
    joints_walk walk = {.forward = forward, .tiling = normd_tiling_in_order(&view->joint)};
    walk.tiles = normd_tiling_tiles(&walk.tiling);
    walk.stores = normd_compute_stores(compute, 2 * values * value_bytes(forward));
    normd_compute_tiles_reversed(
        compute, values, view->blocks * walk.tiles, normalize_joints, &walk);
}

/* Lets the running statistics move by the averages of the samples' moments; with one value a group
   sum/(n-1) has no meaning, and the biased variance, 0, stands in. */
static void move_running(forward_pass *forward)
{
    const normd_sample_norm *norm = forward->norm;
    const normd_channel_moments *moments = &forward->scratch.moments;
    const double count = forward->view.count, samples = (double)forward->view.samples;
    const double divisor = norm->unbiased && count > 1.0 ? count - 1.0 : count;
    char *statistics = forward->pass->new_statistics;
    int64_t batches;
    memcpy(&batches, statistics + norm->batches->offset, sizeof batches);
    if (batches < NORMD_MAX_COUNT) {
        batches++;
    }
    memcpy(statistics + norm->batches->offset, &batches, sizeof batches);
    double take = norm->cumulative ? 1.0 / (double)batches : norm->take;
    double keep = norm->cumulative ? 1.0 - take : norm->keep;
    for (size_t c = 0; c < norm->features; c++) {
        double mean = 0, m2 = 0;
        for (size_t j = c; j < forward->view.groups; j += norm->features) {
            mean += moments->mean[j];
            m2 += moments->m2[j];
        }
        char *means = statistics + norm->mean->offset, *vars = statistics + norm->var->offset;
        mean = keep * normd_value_load(norm->base.dtype, means, c) + take * (mean / samples);
        double var =
            keep * normd_value_load(norm->base.dtype, vars, c) + take * (m2 / divisor / samples);
        normd_value_store(norm->base.dtype, means, c, mean);
        normd_value_store(norm->base.dtype, vars, c, var);
    }
}

/* Says which value is at fault. */
static normd_status refuse(const forward_pass *forward, normd_error *error)
{
    const normd_sample_norm *norm = forward->norm;
    const char *name = forward->pass->input_name;
    const char *type = normd_dtype_title(norm->base.dtype);
    size_t group = 0;
    while (isfinite(normd_value_load(norm->base.dtype, forward->kept.scale, group)) &&
           isfinite(normd_value_load(norm->base.dtype, forward->kept.mean_high, group)) &&
           isfinite(forward->scratch.moments.m2[group]) && group + 1 < forward->view.groups) {
        group++;
    }
    size_t sample = group / norm->groups;
    double m2 = forward->scratch.moments.m2[group];
    if (isfinite(m2)) {
        return normd_error_set(error, NORMD_NOT_FINITE,
            "%s: expected values whose 1 / sqrt(variance + eps) is finite in %s, got variance %g "
            "with eps %g in sample %zu",
            name, type, m2 / forward->view.count, norm->eps, sample);
    }
    if (!normd_compute_all_finite(forward->pass->compute, forward->pass->x,
            forward->view.blocks * forward->view.block_values)) {
        return normd_error_set(error, NORMD_NOT_FINITE,
            "%s: expected finite values, got NaN or infinity in sample %zu", name, sample);
    }
    return normd_error_set(error, NORMD_NOT_FINITE,
        "%s: expected values whose mean and variance are finite in %s, got an overflow in sample "
        "%zu",
        name, type, sample);
}

/* With the samples' own statistics. */
static void forward_samples(forward_pass *forward)
{
    normd_sample_norm_lay_forward(
        forward->norm, &forward->view, forward->pass->scratch, &forward->scratch);
    forward->tiling = normd_tiling_of(&forward->view.moments);
    forward->gamma = normd_sample_norm_gamma(forward->norm, forward->pass->parameters);
    forward->beta = normd_sample_norm_beta(forward->norm, forward->pass->parameters);
    run_blocks(forward);
    if (!forward->view.rows) {
        run_joints(forward);
    }
}

static forward_pass begin(const normd_layer_pass *pass)
{
    const normd_sample_norm *norm = normd_sample_norm_of(pass->layer);
    forward_pass forward = {.pass = pass, .norm = norm};
    forward.view = normd_sample_view_of(norm, &pass->shape);
    normd_sample_norm_keep(norm, &forward.view, pass->kept, &forward.kept);
    atomic_init(&forward.broken, false);
    return forward;
}

normd_status normd_sample_norm_forward(const normd_layer_pass *pass, normd_error *error)
{
    forward_pass forward = begin(pass);
    const normd_sample_norm *norm = forward.norm;
    if (!normd_sample_norm_uses_sample(norm)) {
        size_t bytes = norm->features * normd_dtype_size(norm->base.dtype);
        memcpy(forward.kept.scale, pass->derived, bytes);
        normd_sample_norm_normalize_running(pass, pass->derived);
        return NORMD_OK;
    }
    if (forward.view.count == 1.0 && !norm->single_value_allowed) {
        char got[NORMD_SHAPE_TEXT_BYTES];
        return normd_error_set(error, NORMD_BAD_SHAPE,
            "%s: expected more than 1 spatial element for statistics of a sample, got %s",
            pass->input_name, normd_shape_format(&pass->shape, got, sizeof got));
    }
    forward_samples(&forward);
    if (atomic_load_explicit(&forward.broken, memory_order_relaxed) &&
        !norm->base.propagates_nonfinite) {
        return refuse(&forward, error);
    }
    if (norm->track && pass->new_statistics != NULL) {
        move_running(&forward);
    }
    return NORMD_OK;
}

/* What is not finite stays in its own sample here, and may pass. */
normd_status normd_sample_norm_infer(const normd_layer_pass *pass, normd_error *error)
{
    (void)error;
    if (normd_sample_norm_of(pass->layer)->track) {
        normd_sample_norm_normalize_running(pass, pass->derived);
        return NORMD_OK;
    }
    forward_pass forward = begin(pass);
    if (forward.view.blocks * forward.view.block_values > 0) {
        forward_samples(&forward);
    }
    return NORMD_OK;
}
