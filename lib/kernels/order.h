// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_ORDER_H
#define NORMD_KERNELS_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/kernels/kernels.h"

/*
 * The order in which a tile is summed. Every instruction set follows it, therefore all give the
 * same bits; nothing in it depends on the width of a vector or on the tile's range of channels.
 *
 * A channel's values are cut into segments. A segment's values are dealt to lanes, each lane is a
 * chain of additions, and the lanes are merged pairwise: lane l with lane l + half, where half is
 * ..., 4, 2, 1. The results of the segments are added one after the other.
 *
 *   Rows, inner < 16. There are L lanes: the largest power of two up to 16 for which
 *       L * channels * inner <= 1024 and 64 * L <= outer of the whole batch, at least 1. A segment
 *       is 256 * L rows, its row r goes to lane r % L. The values of each i < inner are summed
 *       apart, as if they were channels of their own; at the end their sums are added in the order
 *       of i.
 *   Runs, inner >= 16. There are 16 lanes. A segment is as many whole runs as fit into 256 * 16
 *       values, or a piece of so many values where a run has more. The values of a run or piece go
 *       to lanes 0, 1, ..., 15, 0, 1, ..., but the last ones, n < 16, to the last lanes: 16 - n,
 *       ..., 15.
 */
enum {
    NORMD_RUN_LANES = 16,
    NORMD_ROW_LANES = 16,    /* most lanes of rows */
    NORMD_ROW_SPAN = 1024,   /* most lanes of all channels, where there is more than one of each */
    NORMD_ROWS_OF_LANE = 64, /* least rows of the batch that make another lane worth while */
    NORMD_LANE_VALUES = 256, /* of one segment; twice as many at most where runs are ragged */
};

static inline bool normd_order_is_rows(const normd_geometry *geometry)
{
    return geometry->inner < NORMD_RUN_LANES;
}

/* Lanes that are merged pairwise: a power of two. */
static inline size_t normd_order_lanes(const normd_geometry *geometry)
{
    if (!normd_order_is_rows(geometry)) {
        return NORMD_RUN_LANES;
    }
    size_t lanes = NORMD_ROW_LANES;
    size_t width = geometry->channels * geometry->inner;
    while (lanes > 1 &&
           (lanes * width > NORMD_ROW_SPAN || lanes * NORMD_ROWS_OF_LANE > geometry->outer)) {
        lanes /= 2;
    }
    return lanes;
}

/* Sums of a channel that are kept apart until the end of the tile. */
static inline size_t normd_order_parts(const normd_geometry *geometry)
{
    return normd_order_is_rows(geometry) ? geometry->inner : 1;
}

/* The rows [outer_begin, outer_end) of a tile, and of each the values [inner_begin, inner_end). */
typedef struct normd_segment {
    size_t outer_begin, outer_end;
    size_t inner_begin, inner_end;
} normd_segment;

/* Whole rows in a segment; 0 where a run is cut into pieces. */
static inline size_t normd_order_rows(const normd_geometry *geometry, size_t length)
{
    size_t values = NORMD_LANE_VALUES * normd_order_lanes(geometry);
    size_t taken = length > NORMD_RUN_LANES ? length : NORMD_RUN_LANES;
    return normd_order_is_rows(geometry) ? values : values / taken;
}

/* The segment that starts at row `outer` and value `inner` of a run. */
static inline normd_segment normd_order_segment(
    const normd_geometry *geometry, const normd_tile *tile, size_t outer, size_t inner)
{
    const size_t piece = NORMD_LANE_VALUES * NORMD_RUN_LANES;
    size_t rows = normd_order_rows(geometry, tile->inner_end - tile->inner_begin);
    size_t rows_left = tile->outer_end - outer;
    normd_segment segment = {outer, tile->outer_end, inner, tile->inner_end};
    if (rows == 0) {
        segment.outer_end = outer + (rows_left > 0);
        segment.inner_end = tile->inner_end - inner > piece ? inner + piece : tile->inner_end;
    } else if (rows < rows_left) {
        segment.outer_end = outer + rows;
    }
    return segment;
}

static inline normd_segment normd_order_first(
    const normd_geometry *geometry, const normd_tile *tile)
{
    return normd_order_segment(geometry, tile, tile->outer_begin, tile->inner_begin);
}

static inline normd_segment normd_order_next(
    const normd_geometry *geometry, const normd_tile *tile, normd_segment segment)
{
    bool same_row = segment.inner_end < tile->inner_end;
    return normd_order_segment(geometry, tile, same_row ? segment.outer_begin : segment.outer_end,
        same_row ? segment.inner_end : tile->inner_begin);
}

/* False for the one after the last. */
static inline bool normd_order_holds(const normd_tile *tile, const normd_segment *segment)
{
    return segment->outer_begin < tile->outer_end;
}

/* The lane of value (outer, inner) of the segment. */
static inline size_t normd_order_lane(
    const normd_geometry *geometry, const normd_segment *segment, size_t outer, size_t inner)
{
    if (normd_order_is_rows(geometry)) {
        return (outer - segment->outer_begin) % normd_order_lanes(geometry);
    }
    size_t length = segment->inner_end - segment->inner_begin;
    size_t position = inner - segment->inner_begin;
    bool last = position >= length / NORMD_RUN_LANES * NORMD_RUN_LANES;
    return last ? NORMD_RUN_LANES - (length - position) : position % NORMD_RUN_LANES;
}

/* A bound on the additions that a value goes through until it is in the sum of its channel, in a
   batch that is cut into `chunks` tiles of at most `rows` rows and `length` values of a run: in its
   lane (twice NORMD_LANE_VALUES, where rows are ragged), in merging lanes, segments, parts and
   tiles. */
static inline double normd_order_additions(
    const normd_geometry *geometry, size_t chunks, size_t rows, size_t length)
{
    size_t in_lane = 2 * NORMD_LANE_VALUES, merging = 6;
    size_t rows_of_segment = normd_order_rows(geometry, length);
    size_t segments = rows_of_segment > 0
                          ? rows / rows_of_segment + 1
                          : rows * (length / (NORMD_LANE_VALUES * NORMD_RUN_LANES) + 1);
    return (double)(in_lane + merging + segments + normd_order_parts(geometry) + chunks);
}

#endif
