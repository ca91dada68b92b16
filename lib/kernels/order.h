// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_ORDER_H
#define NORMD_KERNELS_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/kernels/double_double.h"
#include "lib/kernels/kernels.h"

/*
 * The order in which a tile is reduced. Every instruction set follows it, therefore all give the
 * same bits; nothing in it depends on the width of a vector or on the tile's range of channels.
 *
 * For each channel the tile's values are cut into segments. A segment's values are dealt to lanes,
 * and each lane is a chain of additions. The lanes are merged pairwise: lane l with lane l + half,
 * where half is 8, 4, 2, 1. The results of the segments are added one after the other. For the
 * moments, NORMD_BLOCK_SEGMENTS segments make up a block with a pilot of its own, and the moments
 * of the blocks are merged one after the other.
 *
 *   inner = 1:  there are as many lanes as the largest power of two up to 16 with lanes * channels
 *               <= 64, at least 1. A segment is 256 * lanes rows; its row r goes to lane r % lanes.
 *   inner > 1:  there are 16 lanes. A segment is as many whole rows as fit into 256 * 16 values, or
 *               a piece of so many values where one row has more. The values of a row or piece go
 *               to lanes 0, 1, ..., 15, 0, 1, ..., but the last ones, n < 16, to the last lanes:
 *               16 - n, ..., 15.
 */
enum {
    NORMD_LANES = 16,
    NORMD_LANE_SPAN = 64,
    NORMD_LANE_VALUES = 256, /* of one segment; more only where rows are shorter than 16 values */
    NORMD_BLOCK_SEGMENTS = 16,
};

/* Lanes of each channel with this geometry: a power of two, 1 to NORMD_LANES. */
static inline size_t normd_order_lanes(const normd_geometry *geometry)
{
    size_t lanes = NORMD_LANES;
    while (geometry->inner == 1 && lanes > 1 && lanes * geometry->channels > NORMD_LANE_SPAN) {
        lanes /= 2;
    }
    return lanes;
}

/* Whole rows in a segment; 0 where a row is cut into pieces. */
static inline size_t normd_order_rows(const normd_geometry *geometry)
{
    return NORMD_LANE_VALUES * normd_order_lanes(geometry) / geometry->inner;
}

/* Segment `index` of a tile: the rows [outer_begin, outer_end) and of each the values
   [inner_begin, inner_end). */
typedef struct normd_segment {
    size_t index;
    size_t outer_begin, outer_end;
    size_t inner_begin, inner_end;
} normd_segment;

/* The segment that starts at row `outer` and value `inner` of the tile. */
static inline normd_segment normd_order_segment(const normd_geometry *geometry,
    const normd_tile *tile, size_t index, size_t outer, size_t inner)
{
    const size_t piece = NORMD_LANE_VALUES * NORMD_LANES;
    size_t rows = normd_order_rows(geometry), rows_left = tile->outer_end - outer;
    normd_segment segment = {index, outer, tile->outer_end, inner, geometry->inner};
    if (rows == 0) {
        segment.outer_end = outer + (rows_left > 0);
        segment.inner_end = geometry->inner - inner > piece ? inner + piece : geometry->inner;
    } else if (rows < rows_left) {
        segment.outer_end = outer + rows;
    }
    return segment;
}

static inline normd_segment normd_order_first(
    const normd_geometry *geometry, const normd_tile *tile)
{
    return normd_order_segment(geometry, tile, 0, tile->outer_begin, 0);
}

static inline normd_segment normd_order_next(
    const normd_geometry *geometry, const normd_tile *tile, normd_segment segment)
{
    bool same_row = segment.inner_end < geometry->inner;
    return normd_order_segment(geometry, tile, segment.index + 1,
        same_row ? segment.outer_begin : segment.outer_end, same_row ? segment.inner_end : 0);
}

/* False for the one after the last. */
static inline bool normd_order_holds(const normd_tile *tile, const normd_segment *segment)
{
    return segment->outer_begin < tile->outer_end;
}

static inline bool normd_order_starts_block(const normd_segment *segment)
{
    return segment->index % NORMD_BLOCK_SEGMENTS == 0;
}

/* The lane of value (outer, inner) of the segment. */
static inline size_t normd_order_lane(
    const normd_geometry *geometry, const normd_segment *segment, size_t outer, size_t inner)
{
    if (geometry->inner == 1) {
        return (outer - segment->outer_begin) % normd_order_lanes(geometry);
    }
    size_t length = segment->inner_end - segment->inner_begin;
    size_t position = inner - segment->inner_begin;
    bool last = position >= length / NORMD_LANES * NORMD_LANES;
    return last ? NORMD_LANES - (length - position) : position % NORMD_LANES;
}

/* What is gathered for the moments: the sum of the values as sum + error, and the sum of
   (value - pilot)^2. The pilot is the channel's first value in the block that counts. */
typedef struct normd_sums {
    double sum, error, squares;
} normd_sums;

static inline void normd_sums_add(normd_sums *sums, double value, double pilot)
{
    normd_double_double sum = normd_two_sum(sums->sum, value);
    sums->sum = sum.high;
    sums->error += sum.low;
    double shifted = value - pilot;
    sums->squares += shifted * shifted;
}

/* Adds the sums of other values about the same pilot. */
static inline void normd_sums_merge(normd_sums *sums, const normd_sums *others)
{
    normd_double_double sum = normd_two_sum(sums->sum, others->sum);
    sums->sum = sum.high;
    sums->error = (sums->error + others->error) + sum.low;
    sums->squares += others->squares;
}

/* The moments of `count` > 0 values: m2 = squares - count (mean - pilot)^2. */
static inline normd_moments normd_sums_moments(const normd_sums *sums, double count, double pilot)
{
    normd_double_double sum = normd_two_sum(sums->sum, sums->error);
    normd_double_double mean = normd_double_double_divide(sum, count);
    double offset = (mean.high - pilot) + mean.low;
    double m2 = sums->squares - count * (offset * offset);
    m2 = m2 < 0 ? 0 : m2; /* NaN stays NaN */
    return (normd_moments){count, mean.high, mean.low, m2, sum.high, sum.low};
}

#endif
