// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/sample_norm_backward.h"

/* A walk over the tiles of all blocks. */
typedef struct joints_walk {
    const normd_sample_backward *by;
    size_t tiles; /* of a block */
} joints_walk;

/* Where a tile's block lies. */
typedef struct block_place {
    size_t values; /* bytes before its values */
    size_t joints; /* bytes before its coefficients */
    normd_tile tile;
} block_place;

static block_place place_of(const joints_walk *walk, size_t index)
{
    const normd_sample_backward *by = walk->by;
    const size_t size = normd_dtype_size(by->norm->base.dtype), block = index / walk->tiles;
    return (block_place){
        .values = block * by->view.block_values * size,
        .joints = block * by->view.joint.channels * size,
        .tile = normd_tiling_tile(&by->tiling, index % walk->tiles),
    };
}

/* sum dy and sum dy (x - mean) of each joint. */
static void sum_tile(void *argument, size_t index)
{
    const joints_walk *walk = argument;
    const normd_sample_backward *by = walk->by;
    const block_place place = place_of(walk, index);
    const size_t channels = by->view.joint.channels;
    const size_t record =
        index / walk->tiles * by->tiling.chunks + index % walk->tiles / by->tiling.ranges;
    by->pass->compute->kernels->centered_gradient_sums((const char *)by->pass->x + place.values,
        (const char *)by->pass->dy + place.values, &by->view.joint, &place.tile, NULL,
        (const char *)by->sums.high + place.joints, (const char *)by->sums.low + place.joints, NULL,
        by->sums.sums + record * channels);
}

/* The sum of a joint over its block's chunks, left in the first. */
static normd_gradient_sums *joint_sum(const normd_sample_backward *by, size_t joint)
{
    const size_t channels = by->view.joint.channels, chunks = by->tiling.chunks;
    const size_t first = joint / channels * chunks * channels + joint % channels;
    normd_gradient_sums *sum = &by->sums.sums[first];
    for (size_t chunk = 1; chunk < chunks; chunk++) {
        sum->dy += by->sums.sums[first + chunk * channels].dy;
        sum->dy_x += by->sums.sums[first + chunk * channels].dy_x;
    }
    return sum;
}

/* Of one feature, over all samples. */
static void settle_feature(const normd_sample_backward *by, size_t feature)
{
    double dbeta = 0, dgamma = 0;
    for (size_t j = feature; j < by->view.joints; j += by->norm->features) {
        const normd_gradient_sums *sum = joint_sum(by, j);
        dbeta += sum->dy;
        dgamma += sum->dy_x * by->kept.inverse_deviation[j / by->view.per_group];
    }
    if (by->dbeta != NULL) {
        normd_value_store(by->norm->base.dtype, by->dbeta, feature, dbeta);
    }
    if (by->dgamma != NULL) {
        normd_value_store(by->norm->base.dtype, by->dgamma, feature, dgamma);
    }
}

/* Of one group; its joints' sums are in the first chunk. */
static void settle_group(const normd_sample_backward *by, size_t group)
{
    const normd_dtype dtype = by->norm->base.dtype;
    const size_t channels = by->view.joint.channels, begin = group * by->view.per_group;
    const double inverse = by->kept.inverse_deviation[group];
    double dy = 0, dy_x = 0;
    for (size_t j = begin; j < begin + by->view.per_group; j++) {
        const size_t first = j / channels * by->tiling.chunks * channels + j % channels;
        double gamma = normd_value_load(dtype, by->gamma, j % by->norm->features);
        dy += gamma * by->sums.sums[first].dy;
        dy_x += gamma * by->sums.sums[first].dy_x;
    }
    for (size_t j = begin; j < begin + by->view.per_group; j++) {
        normd_value_store(dtype, by->sums.mean_dy, j, dy / by->view.count);
        normd_value_store(dtype, by->sums.slope, j, dy_x / by->view.count * (inverse * inverse));
    }
}

/* g = dy gamma, then dx from it, in place. */
static void apply_tile(void *argument, size_t index)
{
    const joints_walk *walk = argument;
    const normd_sample_backward *by = walk->by;
    const normd_kernel_set *kernels = by->pass->compute->kernels;
    const block_place place = place_of(walk, index);
    const char *x = (const char *)by->pass->x + place.values;
    const char *dy = (const char *)by->pass->dy + place.values;
    char *dx = (char *)by->pass->dx + place.values;
    if (by->norm->gamma != NULL) {
        normd_backprojector product = {.scale = (const char *)by->sums.gamma + place.joints};
        kernels->backward(
            x, dy, dx, &by->view.joint, &place.tile, NULL, NULL, &product, NORMD_STORES_CACHED);
        dy = dx;
    }
    normd_backprojector project = {
        .mean_high = (const char *)by->sums.high + place.joints,
        .mean_low = (const char *)by->sums.low + place.joints,
        .mean_dy = (const char *)by->sums.mean_dy + place.joints,
        .slope = (const char *)by->sums.slope + place.joints,
        .scale = (const char *)by->sums.scale + place.joints,
    };
    kernels->backward(x, dy, dx, &by->view.joint, &place.tile, NULL, NULL, &project, by->stores);
}

void normd_sample_backward_joints(const normd_sample_backward *by)
{
    const normd_compute *compute = by->pass->compute;
    const size_t values = by->view.blocks * by->view.block_values;
    joints_walk walk = {.by = by, .tiles = normd_tiling_tiles(&by->tiling)};
    const size_t tiles = by->view.blocks * walk.tiles;
    normd_sample_norm_spread(by->norm, &by->view, by->kept.mean_high, by->sums.high);
    normd_sample_norm_spread(by->norm, &by->view, by->kept.mean_low, by->sums.low);
    normd_compute_tiles(compute, values, tiles, sum_tile, &walk);
    for (size_t feature = 0; feature < by->norm->features; feature++) {
        settle_feature(by, feature);
    }
    if (by->pass->dx == NULL) {
        return;
    }
    normd_sample_norm_spread(by->norm, &by->view, by->kept.scale, by->sums.scale);
    for (size_t j = 0; j < by->view.joints; j++) {
        double gamma = normd_value_load(by->norm->base.dtype, by->gamma, j % by->norm->features);
        normd_value_store(by->norm->base.dtype, by->sums.gamma, j, gamma);
    }
    for (size_t group = 0; group < by->view.groups; group++) {
        settle_group(by, group);
    }
    normd_compute_tiles_reversed(compute, values, tiles, apply_tile, &walk);
}
