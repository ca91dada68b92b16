// SPDX-License-Identifier: Apache-2.0
#include "lib/kernels/tiling.h"

#include <assert.h>

#include "lib/kernels/order.h"

enum {
    SMALL_VALUES = 16384,   /* a batch of so many values is one tile, and no tile is cut below it */
    CACHED_VALUES = 524288, /* a batch of so many values stays in the caches */
    CACHED_RUN = 64,        /* least neighbouring values of a row in one tile; in the caches */
    MEMORY_RUN = 1024,      /* and in memory */
    CHANNEL_STEP = 16,      /* a cache line of floats */
    ENOUGH_TILES = 32,
    LEAST_MERGED = 512, /* values of a channel in a chunk, so that merging costs little beside */
    PIECE_VALUES = 65536,
};

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static size_t round_up(size_t size, size_t step)
{
    return divide_up(size, step) * step;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t values_of(const normd_geometry *geometry)
{
    return geometry->outer * geometry->channels * geometry->inner;
}

static normd_tiling tiling_make(const normd_geometry *geometry, size_t channels, size_t rows)
{
    normd_tiling tiling = {.geometry = *geometry};
    if (values_of(geometry) > 0) {
        tiling.channels_per_range = smaller(channels, geometry->channels);
        tiling.rows_per_chunk = smaller(rows, geometry->outer);
        tiling.ranges = divide_up(geometry->channels, tiling.channels_per_range);
        tiling.chunks = divide_up(geometry->outer, tiling.rows_per_chunk);
    }
    return tiling;
}

static size_t channels_of_range(const normd_geometry *geometry)
{
    size_t values = values_of(geometry);
    size_t run = values <= CACHED_VALUES ? CACHED_RUN : MEMORY_RUN;
    size_t wanted = larger(SMALL_VALUES, values / (2 * ENOUGH_TILES));
    size_t channels =
        larger(wanted / (geometry->outer * geometry->inner), divide_up(run, geometry->inner));
    return round_up(channels, CHANNEL_STEP);
}

static size_t rows_of_chunk(const normd_geometry *geometry, size_t channels)
{
    size_t ranges = divide_up(geometry->channels, channels);
    size_t rows = divide_up(geometry->outer, divide_up(ENOUGH_TILES, ranges));
    rows = larger(rows, divide_up(LEAST_MERGED, geometry->inner));
    rows = larger(rows, divide_up(SMALL_VALUES, channels * geometry->inner));
    /* Whole segments, or the last one of each chunk would be shorter than need be. */
    return round_up(rows, geometry->inner == 1 ? normd_order_rows(geometry) : 1);
}

normd_tiling normd_tiling_of(const normd_geometry *geometry)
{
    if (values_of(geometry) <= SMALL_VALUES) {
        return tiling_make(geometry, geometry->channels, geometry->outer);
    }
    size_t channels = smaller(channels_of_range(geometry), geometry->channels);
    return tiling_make(geometry, channels, rows_of_chunk(geometry, channels));
}

normd_tiling normd_tiling_in_order(const normd_geometry *geometry)
{
    size_t row_values = geometry->channels * geometry->inner;
    if (values_of(geometry) <= SMALL_VALUES) {
        return tiling_make(geometry, geometry->channels, geometry->outer);
    }
    if (row_values <= PIECE_VALUES) {
        return tiling_make(geometry, geometry->channels, PIECE_VALUES / row_values);
    }
    size_t channels = round_up(divide_up(PIECE_VALUES, geometry->inner), CHANNEL_STEP);
    return tiling_make(geometry, channels, 1);
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
