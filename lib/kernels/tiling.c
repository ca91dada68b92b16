// SPDX-License-Identifier: Apache-2.0
#include "lib/kernels/tiling.h"

#include <assert.h>

#include "lib/kernels/order.h"

enum {
    SMALL_VALUES = 16384,  /* a batch of so many values is one tile */
    TARGET_VALUES = 65536, /* what a tile should hold: 256 KiB of floats */
    RUN_VALUES = 512,      /* least neighbouring values of a row in one tile */
    CHANNEL_STEP = 16, /* a cache line of floats, so that tiles do not write into shared lines */
};

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The multiple of `step` next to `size` from below, at least `step`. */
static size_t whole_steps(size_t size, size_t step)
{
    return size < step ? step : size / step * step;
}

static size_t channels_of_range(const normd_geometry *geometry)
{
    size_t values_per_channel = geometry->outer * geometry->inner;
    size_t least = divide_up(RUN_VALUES, geometry->inner);
    size_t wanted = TARGET_VALUES / values_per_channel;
    size_t channels = wanted > least ? wanted : least;
    return smaller(geometry->channels, divide_up(channels, CHANNEL_STEP) * CHANNEL_STEP);
}

static size_t rows_of_chunk(const normd_geometry *geometry, size_t channels)
{
    size_t rows = TARGET_VALUES / (channels * geometry->inner);
    size_t step = geometry->inner == 1 ? normd_order_rows(geometry) : 1;
    return smaller(geometry->outer, whole_steps(rows, step));
}

normd_tiling normd_tiling_of(const normd_geometry *geometry)
{
    normd_tiling tiling = {.geometry = *geometry,
        .channels_per_range = geometry->channels,
        .rows_per_chunk = geometry->outer};
    size_t values = geometry->outer * geometry->channels * geometry->inner;
    if (values == 0) {
        return tiling;
    }
    if (values > SMALL_VALUES) {
        tiling.channels_per_range = channels_of_range(geometry);
        tiling.rows_per_chunk = rows_of_chunk(geometry, tiling.channels_per_range);
    }
    tiling.ranges = divide_up(geometry->channels, tiling.channels_per_range);
    tiling.chunks = divide_up(geometry->outer, tiling.rows_per_chunk);
    return tiling;
}

size_t normd_tiling_tiles(const normd_tiling *tiling)
{
    return tiling->ranges * tiling->chunks;
}

normd_tile normd_tiling_tile(const normd_tiling *tiling, size_t index)
{
    assert(index < normd_tiling_tiles(tiling));
    size_t channel = index % tiling->ranges * tiling->channels_per_range;
    size_t row = index / tiling->ranges * tiling->rows_per_chunk;
    return (normd_tile){
        .channel_begin = channel,
        .channel_end = smaller(channel + tiling->channels_per_range, tiling->geometry.channels),
        .outer_begin = row,
        .outer_end = smaller(row + tiling->rows_per_chunk, tiling->geometry.outer),
    };
}
