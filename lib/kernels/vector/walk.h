// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_VECTOR_WALK_H
#define NORMD_KERNELS_VECTOR_WALK_H

#include <stdalign.h>

#include "lib/kernels/order.h"
#include "lib/kernels/vector/vector.h"

/*
 * Walks over one segment of some neighbouring channels for the reductions. The lanes of all these
 * channels make up a strip. The values come in units: UNIT values that lie next to each other and
 * belong to UNIT neighbouring lanes of the strip.
 */
enum {
    STRIP = 1024,        /* lanes of a strip, a multiple of UNIT */
    ROWS_AT_ONCE = 8,    /* rows that are read side by side before the lanes go back to memory */
    VALUES_AT_ONCE = 512 /* where rows are short, so many values */
};

typedef struct segment_view {
    const normd_geometry *geometry;
    const uint8_t *mask; /* with inner = 1 only */
    normd_segment segment;
    size_t channel_begin, channels;
    size_t lanes; /* of each channel */
} segment_view;

/* What is done with the values. All are constants wherever a walk is used, so that they become
   part of its loops. */
typedef struct walk_actions {
    /* Adds `rows` units, which begin at the element `offset` and are `stride` apart, to the lanes
       [at, at + UNIT), of which the first `skip` stay as they were. */
    void (*add_units)(
        void *strip, size_t at, size_t skip, size_t offset, size_t stride, size_t rows);
    /* Adds `rows` runs of `length` >= UNIT values, whole units and a rest for the last lanes, to
       the lanes [at, at + UNIT). */
    void (*add_runs)(
        void *strip, size_t at, size_t offset, size_t stride, size_t rows, size_t length);
    /* Adds the value at `offset` to the lane `at`. */
    void (*add_value)(void *strip, size_t at, size_t offset);
} walk_actions;

/* The first segment of as many of the tile's channels from `channel` on as a strip holds. */
static inline segment_view view_start(
    const normd_geometry *geometry, const normd_tile *tile, const uint8_t *mask, size_t channel)
{
    size_t lanes = normd_order_lanes(geometry);
    size_t most = STRIP / lanes, left = tile->channel_end - channel;
    return (segment_view){
        .geometry = geometry,
        .mask = mask,
        .segment = normd_order_first(geometry, tile),
        .channel_begin = channel,
        .channels = left < most ? left : most,
        .lanes = lanes,
    };
}

/* Where lane `lane` of channel channel_begin + `channel` stands in the strip: next to what stands
   next to it in memory. */
static inline size_t view_lane(const segment_view *view, size_t channel, size_t lane)
{
    return view->geometry->inner > 1 ? channel * view->lanes + lane
                                     : lane * view->channels + channel;
}

/* The pairwise merging of the lanes: of the strip's lanes, those in groups of `group` lie together,
   and in each of them lane l is merged with lane l + distance, for distance = group / 2 and so on
   down to `last`. */
typedef struct merge_plan {
    size_t groups, group, last;
} merge_plan;

static inline merge_plan view_merge_plan(const segment_view *view)
{
    if (view->geometry->inner > 1) {
        return (merge_plan){view->channels, view->lanes, 1};
    }
    return (merge_plan){1, view->lanes * view->channels, view->channels};
}

/* Adds `rows` rows of `width` values, `stride` apart, to the lanes [at, at + width). What is left
   of the width after whole units is the end of one more unit, which overlaps the one before. */
NORMD_INLINE void walk_rows(walk_actions actions, void *strip, size_t at, size_t offset,
    size_t stride, size_t rows, size_t width)
{
    for (size_t done = 0; done < rows; done += ROWS_AT_ONCE, offset += ROWS_AT_ONCE * stride) {
        size_t some = rows - done < ROWS_AT_ONCE ? rows - done : ROWS_AT_ONCE;
        size_t w = 0;
        for (; w + UNIT <= width; w += UNIT) {
            actions.add_units(strip, at + w, 0, offset + w, stride, some);
        }
        if (w < width && width >= UNIT) {
            size_t last = width - UNIT;
            actions.add_units(strip, at + last, w - last, offset + last, stride, some);
        } else if (w < width) {
            for (size_t r = 0; r < some; r++) {
                for (size_t v = 0; v < width; v++) {
                    actions.add_value(strip, at + v, offset + r * stride + v);
                }
            }
        }
    }
}

/* inner = 1 without a mask: lane j takes rows j, j + lanes, ... */
NORMD_INLINE void walk_all_rows(walk_actions actions, void *strip, const segment_view *view)
{
    size_t stride = view->geometry->channels;
    size_t rows = view->segment.outer_end - view->segment.outer_begin;
    size_t offset = view->segment.outer_begin * stride + view->channel_begin;
    if (view->channels == stride) {
        /* `lanes` whole rows lie in memory as their lanes do in the strip. */
        size_t wide = view->lanes * stride, rest = rows % view->lanes;
        walk_rows(actions, strip, 0, offset, wide, rows / view->lanes, wide);
        walk_rows(actions, strip, 0, offset + (rows - rest) * stride, wide, 1, rest * stride);
        return;
    }
    for (size_t j = 0; j < view->lanes; j++) {
        size_t own = (rows + view->lanes - 1 - j) / view->lanes;
        walk_rows(actions, strip, j * view->channels, offset + j * stride, view->lanes * stride,
            own, view->channels);
    }
}

/* inner = 1: a row counts or not for all its channels. */
NORMD_INLINE void walk_counted_rows(walk_actions actions, void *strip, const segment_view *view)
{
    size_t stride = view->geometry->channels;
    for (size_t o = view->segment.outer_begin; o < view->segment.outer_end; o++) {
        if (view->mask[o] != 0) {
            size_t lane = (o - view->segment.outer_begin) % view->lanes;
            walk_rows(actions, strip, lane * view->channels, o * stride + view->channel_begin,
                stride, 1, view->channels);
        }
    }
}

/* inner > 1: some rows at a time, and of these channel after channel, in the order of memory. */
NORMD_INLINE void walk_runs(walk_actions actions, void *strip, const segment_view *view)
{
    const normd_segment *segment = &view->segment;
    size_t length = segment->inner_end - segment->inner_begin;
    size_t stride = view->geometry->channels * view->geometry->inner;
    size_t step = length < VALUES_AT_ONCE ? VALUES_AT_ONCE / length : 1;
    for (size_t o = segment->outer_begin; o < segment->outer_end; o += step) {
        size_t rows = segment->outer_end - o < step ? segment->outer_end - o : step;
        for (size_t c = 0; c < view->channels; c++) {
            size_t offset =
                normd_at(view->geometry, o, view->channel_begin + c, segment->inner_begin);
            if (length >= UNIT) {
                actions.add_runs(strip, c * UNIT, offset, stride, rows, length);
                continue;
            }
            for (size_t v = 0; v < rows * length; v++) {
                size_t i = v % length;
                actions.add_value(
                    strip, c * UNIT + UNIT - length + i, offset + v / length * stride + i);
            }
        }
    }
}

NORMD_INLINE void walk(walk_actions actions, void *strip, const segment_view *view)
{
    if (view->geometry->inner > 1) {
        walk_runs(actions, strip, view);
    } else if (view->mask != NULL) {
        walk_counted_rows(actions, strip, view);
    } else {
        walk_all_rows(actions, strip, view);
    }
}

/* Writes the lanes of one group from `skip` on. */
NORMD_INLINE void group_store(double *to, const double_vector *parts, size_t skip)
{
    for (size_t p = 0; p < PARTS; p++) {
        if (skip == 0) {
            doubles_store(to + p * DOUBLES, parts[p]);
            continue;
        }
        for (size_t l = 0; l < DOUBLES; l++) {
            size_t lane = p * DOUBLES + l;
            to[lane] = lane < skip ? to[lane] : parts[p][l];
        }
    }
}

/* How many of the first `skip` lanes of a unit are in the group that begins at lane `begin`. */
NORMD_INLINE size_t group_skip(size_t begin, size_t skip)
{
    size_t left = skip < begin ? 0 : skip - begin;
    return left < GROUP ? left : GROUP;
}

#endif
