// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "lib/layers/sample_norm_backward.h"
#include "lib/layers/sample_norm_rows.h"

/* A row of the batch is a sample; a tile is a piece of some of them. Within a sample, features
   [begin, end) of one group are what the row operations take. */
static normd_row row_at(const normd_sample_backward *by, size_t sample, size_t begin, size_t end)
{
    const normd_dtype dtype = by->norm->base.dtype;
    const size_t size = normd_dtype_size(dtype);
    const size_t value = sample * by->norm->features + begin;
    const size_t group = value / by->view.per_group;
    return (normd_row){
        .count = end - begin,
        .x = (const char *)by->pass->x + value * size,
        .dy = (const char *)by->pass->dy + value * size,
        .gamma = (const char *)by->gamma + begin * size,
        .high = normd_value_load(dtype, by->kept.mean_high, group),
        .low = normd_value_load(dtype, by->kept.mean_low, group),
        .scale = normd_value_load(dtype, by->kept.scale, group),
    };
}

/* The end of the piece that starts at feature `begin`, within its group and the tile. */
static size_t piece_end(const normd_sample_backward *by, size_t begin, size_t tile_end)
{
    size_t end = (begin / by->view.per_group + 1) * by->view.per_group;
    return end < tile_end ? end : tile_end;
}

/* What follows from a group's sums, in the order of the ranges of features. */
static void settle(const normd_sample_backward *by, size_t group)
{
    const size_t begin = group % by->norm->groups * by->view.per_group;
    const size_t last = (begin + by->view.per_group - 1) / by->tiling.channels_per_range;
    const double inverse = by->kept.inverse_deviation[group];
    normd_gradient_sums sum = {0, 0};
    for (size_t range = begin / by->tiling.channels_per_range; range <= last; range++) {
        const normd_gradient_sums *part = &by->sums.sums[range * by->view.groups + group];
        sum.dy += part->dy;
        sum.dy_x += part->dy_x;
    }
    double mean_dy = by->norm->about_zero ? 0 : sum.dy / by->view.count;
    double slope = sum.dy_x / by->view.count * (inverse * inverse);
    normd_value_store(by->norm->base.dtype, by->sums.mean_dy, group, mean_dy);
    normd_value_store(by->norm->base.dtype, by->sums.slope, group, slope);
}

static void apply_sample(
    const normd_sample_backward *by, size_t sample, size_t tile_begin, size_t tile_end)
{
    const normd_dtype dtype = by->norm->base.dtype;
    for (size_t begin = tile_begin, end; begin < tile_end; begin = end) {
        end = piece_end(by, begin, tile_end);
        normd_row row = row_at(by, sample, begin, end);
        const size_t value = sample * by->norm->features + begin;
        const size_t group = value / by->view.per_group;
        row.to = (char *)by->pass->dx + value * normd_dtype_size(dtype);
        row.mean_dy = normd_value_load(dtype, by->sums.mean_dy, group);
        row.slope = normd_value_load(dtype, by->sums.slope, group);
        normd_row_operations_of(dtype)->backward(&row);
    }
}

static void sum_sample(const normd_sample_backward *by, size_t sample, size_t index,
    size_t tile_begin, size_t tile_end)
{
    const normd_row_operations *operations = normd_row_operations_of(by->norm->base.dtype);
    const size_t range = index % by->tiling.ranges, chunk = index / by->tiling.ranges;
    const bool whole = by->tiling.ranges == 1;
    for (size_t begin = tile_begin, end; begin < tile_end; begin = end) {
        end = piece_end(by, begin, tile_end);
        normd_row row = row_at(by, sample, begin, end);
        const size_t group = (sample * by->norm->features + begin) / by->view.per_group;
        if (by->pass->dx != NULL) {
            by->sums.sums[range * by->view.groups + group] = operations->sums(&row);
        }
        if (by->dgamma != NULL || by->dbeta != NULL) {
            const size_t place = chunk * by->norm->features + begin;
            operations->add_gradients(&row, by->kept.inverse_deviation[group],
                by->sums.dbeta + place, by->sums.dgamma + place);
        }
        if (whole && by->pass->dx != NULL) {
            settle(by, group);
        }
    }
}

/* Where a tile holds whole rows, dx follows while they are in the cache. */
static void sum_tile(void *argument, size_t index)
{
    const normd_sample_backward *by = argument;
    const normd_tile tile = normd_tiling_tile(&by->tiling, index);
    const size_t place = index / by->tiling.ranges * by->norm->features + tile.channel_begin;
    const size_t bytes = (tile.channel_end - tile.channel_begin) * sizeof(double);
    memset(by->sums.dbeta + place, 0, bytes);
    memset(by->sums.dgamma + place, 0, bytes);
    for (size_t sample = tile.outer_begin; sample < tile.outer_end; sample++) {
        sum_sample(by, sample, index, tile.channel_begin, tile.channel_end);
        if (by->tiling.ranges == 1 && by->pass->dx != NULL) {
            apply_sample(by, sample, tile.channel_begin, tile.channel_end);
        }
    }
}

static void apply_tile(void *argument, size_t index)
{
    const normd_sample_backward *by = argument;
    const normd_tile tile = normd_tiling_tile(&by->tiling, index);
    for (size_t sample = tile.outer_begin; sample < tile.outer_end; sample++) {
        apply_sample(by, sample, tile.channel_begin, tile.channel_end);
    }
}

static void store_gradients(const normd_sample_backward *by, const double *sums, void *gradients)
{
    for (size_t f = 0; f < by->norm->features; f++) {
        double sum = 0;
        for (size_t chunk = 0; chunk < by->tiling.chunks; chunk++) {
            sum += sums[chunk * by->norm->features + f];
        }
        normd_value_store(by->norm->base.dtype, gradients, f, sum);
    }
}

void normd_sample_backward_rows(const normd_sample_backward *backward)
{
    /* The walks only read what the pointer leads to. */
    normd_sample_backward by = *backward;
    const normd_compute *compute = by.pass->compute;
    size_t values = by.view.blocks * by.view.block_values;
    size_t tiles = normd_tiling_tiles(&by.tiling);
    normd_compute_tiles(compute, values, tiles, sum_tile, &by);
    if (by.dbeta != NULL) {
        store_gradients(&by, by.sums.dbeta, by.dbeta);
    }
    if (by.dgamma != NULL) {
        store_gradients(&by, by.sums.dgamma, by.dgamma);
    }
    if (by.tiling.ranges > 1 && by.pass->dx != NULL) {
        for (size_t group = 0; group < by.view.groups; group++) {
            settle(&by, group);
        }
        normd_compute_tiles_reversed(compute, values, tiles, apply_tile, &by);
    }
}
