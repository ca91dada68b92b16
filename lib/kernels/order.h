// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_ORDER_H
#define NORMD_KERNELS_ORDER_H

#include <stddef.h>

#include "lib/kernels/double_double.h"
#include "lib/kernels/kernels.h"

/*
 * The order in which a tile is reduced. Every instruction set follows it, therefore all give the
 * same bits; nothing in it depends on the width of a vector or on the tile's range of channels.
 *
 * For each channel the tile's values are cut into blocks, a block's values are dealt to lanes, each
 * lane is a chain of additions, the lanes are merged pairwise (lane l with lane l + half, half = 8,
 * 4, 2, 1), and the blocks' results are merged one after the other.
 *
 *   inner = 1:  a block is NORMD_BLOCK_ROWS rows; row r of the block goes to lane r % lanes, where
 *               lanes is the largest power of two up to 16 with lanes * channels <= 64, at least 1.
 *   inner > 1:  a block is as many whole rows as fit into NORMD_BLOCK_VALUES values, or a piece of
 *               so many values where one row has more; value i of a row goes to lane i % 16.
 */
enum {
    NORMD_LANES = 16,
    NORMD_LANE_SPAN = 64,
    NORMD_BLOCK_ROWS = 1024,
    NORMD_BLOCK_VALUES = 4096,
};

/* Lanes in use with this geometry: a power of two, 1 to NORMD_LANES. */
static inline size_t normd_order_lanes(const normd_geometry *geometry)
{
    size_t lanes = NORMD_LANES;
    while (geometry->inner == 1 && lanes > 1 && lanes * geometry->channels > NORMD_LANE_SPAN) {
        lanes /= 2;
    }
    return lanes;
}

/* The rows [outer_begin, outer_end) and of each the values [inner_begin, inner_end). */
typedef struct normd_block {
    size_t outer_begin, outer_end;
    size_t inner_begin, inner_end;
} normd_block;

/* The block that starts at row `outer` and value `inner` of the tile. */
static inline normd_block normd_order_block(
    const normd_geometry *geometry, const normd_tile *tile, size_t outer, size_t inner)
{
    size_t rows = geometry->inner == 1 ? (size_t)NORMD_BLOCK_ROWS
                                       : (size_t)NORMD_BLOCK_VALUES / geometry->inner;
    size_t rows_left = tile->outer_end - outer;
    size_t values_left = geometry->inner - inner;
    normd_block block = {outer, outer + 1, inner, geometry->inner};
    if (rows >= 1) {
        block.outer_end = outer + (rows < rows_left ? rows : rows_left);
    } else if (values_left > NORMD_BLOCK_VALUES) {
        block.inner_end = inner + NORMD_BLOCK_VALUES;
    }
    return block;
}

static inline normd_block normd_order_first(const normd_geometry *geometry, const normd_tile *tile)
{
    return normd_order_block(geometry, tile, tile->outer_begin, 0);
}

/* The block after this one; after the last one, outer_begin is the tile's outer_end. */
static inline normd_block normd_order_next(
    const normd_geometry *geometry, const normd_tile *tile, normd_block block)
{
    if (block.inner_end < geometry->inner) {
        return normd_order_block(geometry, tile, block.outer_begin, block.inner_end);
    }
    if (block.outer_end == tile->outer_end) {
        return (normd_block){block.outer_end, block.outer_end, 0, 0};
    }
    return normd_order_block(geometry, tile, block.outer_end, 0);
}

/* What a lane gathers for the moments of a block: the sum of its values as sum + error, and the
   sum of (value - pilot)^2. The pilot is the first value of the channel in the block that counts.
 */
typedef struct normd_lane_sums {
    double sum, error, squares;
} normd_lane_sums;

static inline void normd_lane_add(normd_lane_sums *lane, double value, double pilot)
{
    normd_double_double sum = normd_two_sum(lane->sum, value);
    lane->sum = sum.high;
    lane->error += sum.low;
    double shifted = value - pilot;
    lane->squares += shifted * shifted;
}

/* Merges lanes[0..count) pairwise into lanes[0]; count is a power of two. */
static inline void normd_lanes_merge(normd_lane_sums *lanes, size_t count)
{
    for (size_t half = count / 2; half > 0; half /= 2) {
        for (size_t l = 0; l < half; l++) {
            normd_double_double sum = normd_two_sum(lanes[l].sum, lanes[l + half].sum);
            lanes[l].sum = sum.high;
            lanes[l].error = (lanes[l].error + lanes[l + half].error) + sum.low;
            lanes[l].squares += lanes[l + half].squares;
        }
    }
}

/* The moments of `count` > 0 values: m2 = squares - count (mean - pilot)^2. */
static inline normd_moments normd_lane_moments(
    const normd_lane_sums *lane, double count, double pilot)
{
    normd_double_double sum = normd_two_sum(lane->sum, lane->error);
    normd_double_double mean = normd_double_double_divide(sum, count);
    double offset = (mean.high - pilot) + mean.low;
    double m2 = lane->squares - count * (offset * offset);
    return (normd_moments){
        .count = count,
        .mean = mean.high,
        .mean_low = mean.low,
        .m2 = m2 < 0 ? 0 : m2, /* NaN stays NaN */
    };
}

#endif
