// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_VECTOR_WALK_H
#define NORMD_KERNELS_VECTOR_WALK_H

#include <stdalign.h>

#include "lib/kernels/order.h"
#include "lib/kernels/vector/vector.h"

/*
 * Walks over one segment of some neighbouring channels for the reductions. The lanes of all these
 * channels make up a strip: lane j of channel channel_begin + c is lane j * channels + c of the
 * strip. The values come in units: UNIT values that lie next to each other and belong to UNIT
 * neighbouring lanes.
 */
enum {
    STRIP = 1024,     /* lanes of a strip, a multiple of UNIT */
    ROWS_AT_ONCE = 8, /* rows of units that are added before the lanes go back to memory */
};

typedef struct segment_view {
    const normd_geometry *geometry;
    const uint8_t *mask; /* with inner = 1 only */
    normd_segment segment;
    size_t channel_begin, channels;
    size_t lanes; /* of each channel */
} segment_view;

/* What is done with the values. Both are constants wherever a walk is used, so that they become
   part of its loops. */
typedef struct walk_actions {
    /* Adds `rows` units, which begin at the element `offset` and are `stride` apart, to the lanes
       [at, at + UNIT), of which the first `skip` stay as they were. */
    void (*add_units)(
        void *strip, size_t at, size_t skip, size_t offset, size_t stride, size_t rows);
    /* Adds the value at `offset` to the lane `at`. */
    void (*add_value)(void *strip, size_t at, size_t offset);
} walk_actions;

/* The first segment of as many of the tile's channels from `channel` on as a strip holds. */
static inline segment_view view_start(
    const normd_geometry *geometry, const normd_tile *tile, const uint8_t *mask, size_t channel)
{
    size_t lanes = normd_order_lanes(geometry);
    size_t most = geometry->inner == 1 ? STRIP / lanes : 1;
    size_t left = tile->channel_end - channel;
    return (segment_view){
        .geometry = geometry,
        .mask = mask,
        .segment = normd_order_first(geometry, tile),
        .channel_begin = channel,
        .channels = left < most ? left : most,
        .lanes = lanes,
    };
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

/* inner > 1: a row is whole units for the same lanes and a rest, which goes to the last of them. */
NORMD_INLINE void walk_runs(walk_actions actions, void *strip, const segment_view *view)
{
    const normd_segment *segment = &view->segment;
    size_t length = segment->inner_end - segment->inner_begin;
    size_t rest = length % UNIT;
    for (size_t o = segment->outer_begin; o < segment->outer_end; o++) {
        size_t offset = normd_at(view->geometry, o, view->channel_begin, segment->inner_begin);
        if (length < UNIT) {
            for (size_t i = 0; i < length; i++) {
                actions.add_value(strip, UNIT - length + i, offset + i);
            }
            continue;
        }
        actions.add_units(strip, 0, 0, offset, UNIT, length / UNIT);
        if (rest > 0) {
            actions.add_units(strip, 0, UNIT - rest, offset + length - UNIT, UNIT, 1);
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

/* Writes the lanes of one unit from `skip` on. */
NORMD_INLINE void unit_store(double *to, const double_vector *parts, size_t skip)
{
    if (skip == 0) {
        memcpy(to, parts, UNIT * sizeof *to);
        return;
    }
    double lanes[UNIT];
    memcpy(lanes, parts, sizeof lanes);
    for (size_t l = skip; l < UNIT; l++) {
        to[l] = lanes[l];
    }
}

#endif
