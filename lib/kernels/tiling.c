// SPDX-License-Identifier: Apache-2.0
#include "lib/kernels/tiling.h"

#include <assert.h>

#include "lib/kernels/order.h"

enum {
    SMALL_VALUES = 16384, /* a batch of so many values is one tile, and no tile is cut below it */
    ENOUGH_TILES = 32,
    FEW_TILES = 8,
    CACHED_VALUES = 131072, /* of a tile whose sums and results are computed one after the other */
    ROWS_VALUES = 32768,    /* of a tile of whole rows */
    LEAST_ROWS = 16,        /* in a chunk, so that merging costs little beside */
    ROW_STEP = 8,           /* the sums read so many rows side by side */
    CHANNEL_STEP = 32,      /* a cache line of 16-bit values */
    MEMORY_RUN = 512,       /* least neighbouring values of a row in one tile */
    LONG_PIECE = 384,       /* neighbouring values of a row that are read at nearly full speed */
    PIECE_STEP = NORMD_LANE_VALUES * NORMD_RUN_LANES,
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

/* The tiling with at most so many channels, rows and values of a run in a tile. */
static normd_tiling tiling_make(
    const normd_geometry *geometry, size_t channels, size_t rows, size_t length)
{
    normd_tiling tiling = {.geometry = *geometry};
    if (values_of(geometry) > 0) {
        tiling.channels_per_range = smaller(channels, geometry->channels);
        tiling.rows_per_chunk = smaller(rows, geometry->outer);
        tiling.values_per_piece = smaller(length, geometry->inner);
        tiling.ranges = divide_up(geometry->channels, tiling.channels_per_range);
        tiling.row_chunks = divide_up(geometry->outer, tiling.rows_per_chunk);
        tiling.pieces = divide_up(geometry->inner, tiling.values_per_piece);
        tiling.chunks = tiling.row_chunks * tiling.pieces;
    }
    return tiling;
}

static normd_tiling tiling_of_rows(const normd_geometry *geometry)
{
    size_t width = geometry->channels * geometry->inner;
    if (geometry->outer < FEW_TILES * LEAST_ROWS && width >= FEW_TILES * MEMORY_RUN) {
        size_t values = larger(width / ENOUGH_TILES, SMALL_VALUES / geometry->outer);
        size_t channels = divide_up(larger(values, MEMORY_RUN), geometry->inner);
        return tiling_make(geometry, round_up(channels, CHANNEL_STEP), geometry->outer, SIZE_MAX);
    }
    size_t rows = larger(divide_up(geometry->outer, ENOUGH_TILES), LEAST_ROWS);
    rows = larger(rows, divide_up(ROWS_VALUES, width));
    rows = round_up(rows, ROW_STEP * normd_order_lanes(geometry));
    return tiling_make(geometry, geometry->channels, rows, SIZE_MAX);
}

static normd_tiling tiling_of_runs(const normd_geometry *geometry)
{
    size_t each = geometry->outer * geometry->inner;
    size_t wanted = smaller(values_of(geometry) / ENOUGH_TILES, CACHED_VALUES);
    wanted = larger(wanted, SMALL_VALUES);
    size_t channels = larger(wanted / each, 1);
    size_t ranges = divide_up(geometry->channels, channels);
    bool long_runs = channels * geometry->inner >= LONG_PIECE || geometry->outer < ENOUGH_TILES;
    if (each <= CACHED_VALUES && ranges >= FEW_TILES && long_runs) {
        return tiling_make(geometry, channels, geometry->outer, SIZE_MAX);
    }
    if (geometry->outer >= ENOUGH_TILES) {
        size_t rows = divide_up(SMALL_VALUES, geometry->channels * geometry->inner);
        rows = larger(rows, divide_up(geometry->outer, ENOUGH_TILES));
        return tiling_make(geometry, geometry->channels, rows, SIZE_MAX);
    }
    size_t chunks = larger(divide_up(ENOUGH_TILES, geometry->channels), each / PIECE_VALUES);
    chunks = smaller(chunks, larger(each / SMALL_VALUES, 1));
    size_t rows = divide_up(geometry->outer, smaller(chunks, geometry->outer));
    size_t pieces = larger(chunks / geometry->outer, 1);
    size_t length = round_up(divide_up(geometry->inner, pieces), PIECE_STEP);
    return tiling_make(geometry, 1, rows, length);
}

normd_tiling normd_tiling_of(const normd_geometry *geometry)
{
    if (values_of(geometry) <= SMALL_VALUES) {
        return tiling_make(geometry, geometry->channels, geometry->outer, SIZE_MAX);
    }
    return normd_order_is_rows(geometry) ? tiling_of_rows(geometry) : tiling_of_runs(geometry);
}

normd_tiling normd_tiling_in_order(const normd_geometry *geometry)
{
    size_t row_values = geometry->channels * geometry->inner;
    if (values_of(geometry) <= SMALL_VALUES) {
        return tiling_make(geometry, geometry->channels, geometry->outer, SIZE_MAX);
    }
    if (row_values <= PIECE_VALUES) {
        return tiling_make(geometry, geometry->channels, PIECE_VALUES / row_values, SIZE_MAX);
    }
    if (geometry->inner > 2 * PIECE_VALUES) {
        return tiling_make(geometry, 1, 1, PIECE_VALUES);
    }
    size_t channels = divide_up(PIECE_VALUES, geometry->inner);
    channels = geometry->inner < CHANNEL_STEP ? round_up(channels, CHANNEL_STEP) : channels;
    return tiling_make(geometry, channels, 1, SIZE_MAX);
}

size_t normd_tiling_tiles(const normd_tiling *tiling)
{
    return tiling->ranges * tiling->chunks;
}

normd_tile normd_tiling_tile(const normd_tiling *tiling, size_t index)
{
    assert(index < normd_tiling_tiles(tiling));
    size_t channel = index % tiling->ranges * tiling->channels_per_range;
    size_t chunk = index / tiling->ranges;
    size_t row = chunk / tiling->pieces * tiling->rows_per_chunk;
    size_t value = chunk % tiling->pieces * tiling->values_per_piece;
    return (normd_tile){
        .channel_begin = channel,
        .channel_end = smaller(channel + tiling->channels_per_range, tiling->geometry.channels),
        .outer_begin = row,
        .outer_end = smaller(row + tiling->rows_per_chunk, tiling->geometry.outer),
        .inner_begin = value,
        .inner_end = smaller(value + tiling->values_per_piece, tiling->geometry.inner),
    };
}

double normd_tiling_additions(const normd_tiling *tiling)
{
    return normd_order_additions(
        &tiling->geometry, tiling->chunks, tiling->rows_per_chunk, tiling->values_per_piece);
}
