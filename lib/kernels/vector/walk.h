// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_VECTOR_WALK_H
#define NORMD_KERNELS_VECTOR_WALK_H

#include "lib/kernels/vector/strip.h"

/* Walks over a tile for the sums: strip by strip, and in each the segments of lib/kernels/order.h.
 */
enum {
    ROWS_AT_ONCE = 8,    /* rows read side by side before the lanes go back to the lane_strip */
    VALUES_AT_ONCE = 512 /* of short runs, so many values of a channel */
};

/* Constants of GROUP lanes from lane `at` on (rows), or of channel `at` in all of them (runs). */
NORMD_INLINE void group_begin(summation op, lane_group *group, const lane_strip *strip, bool runs,
    size_t lane, size_t channel)
{
    for (int p = 0; p < PARTS; p++) {
        for (int q = 0; q < op.sums; q++) {
            group->sum[q][p] = load_doubles(strip->lane[q] + lane + (size_t)p * DOUBLES);
        }
        for (int k = 0; k < op.constants; k++) {
            group->constant[k][p] =
                runs ? narrow_vector_of(strip->constant[k][channel])
                     : NORMD_LOAD(narrow_vector, strip->constant[k] + lane + (size_t)p * DOUBLES);
        }
    }
}

NORMD_INLINE void group_end(summation op, const lane_group *group, lane_strip *strip, size_t lane)
{
    for (int p = 0; p < PARTS; p++) {
        for (int q = 0; q < op.sums; q++) {
            store_doubles(strip->lane[q] + lane + (size_t)p * DOUBLES, group->sum[q][p]);
        }
    }
}

NORMD_INLINE void group_add(
    summation op, lane_group *group, const element *x, const element *dy, const narrow_mask *mask)
{
    for (int p = 0; p < PARTS; p++) {
        op.add(group, p, x + p * DOUBLES, op.reads_dy ? dy + p * DOUBLES : NULL,
            mask != NULL ? mask + p : NULL);
    }
}

/* Adds `rows` units, `stride` apart, to the lanes [at, at + UNIT). */
NORMD_INLINE void add_unit(summation op, lane_strip *strip, size_t at, const element *x,
    const element *dy, size_t stride, size_t rows)
{
    for (size_t g = 0; g < UNIT; g += GROUP) {
        lane_group group;
        group_begin(op, &group, strip, false, at + g, 0);
        if (rows == ROWS_AT_ONCE) {
#pragma GCC unroll 8
            for (size_t r = 0; r < ROWS_AT_ONCE; r++) {
                group_add(op, &group, x + r * stride + g, dy + r * stride + g, NULL);
            }
        } else {
            for (size_t r = 0; r < rows; r++) {
                group_add(op, &group, x + r * stride + g, dy + r * stride + g, NULL);
            }
        }
        group_end(op, &group, strip, at + g);
    }
}

/* Some values and zeros that fill up a unit. */
typedef struct filled_unit {
    element x[UNIT], dy[UNIT];
    uint8_t mask[UNIT]; /* where the values are */
} filled_unit;

/* `count` values from place `first` on; `mask` (or NULL) says which of them count. */
NORMD_INLINE filled_unit fill_unit(summation op, const element *x, const element *dy,
    const uint8_t *mask, size_t first, size_t count)
{
    filled_unit unit;
    memset(&unit, 0, sizeof unit);
    memcpy(unit.x + first, x, count * sizeof *x);
    if (op.reads_dy) {
        memcpy(unit.dy + first, dy, count * sizeof *dy);
    }
    memset(unit.mask + first, 1, count);
    if (mask != NULL) {
        memcpy(unit.mask + first, mask, count);
    }
    return unit;
}

NORMD_INLINE void group_add_filled(
    summation op, lane_group *group, size_t g, const filled_unit *unit)
{
    narrow_mask masks[PARTS];
    for (size_t p = 0; p < PARTS; p++) {
        masks[p] = narrow_mask_of_bytes(unit->mask + g + p * DOUBLES);
    }
    group_add(op, group, unit->x + g, unit->dy + g, masks);
}

/* Adds what is left of some rows after whole units: `count` values each. */
NORMD_INLINE void add_row_ends(summation op, lane_strip *strip, size_t at, size_t offset,
    size_t stride, size_t rows, size_t count)
{
    for (size_t r = 0; r < rows; r++, offset += stride) {
        const element *x = strip->x + offset, *dy = op.reads_dy ? strip->dy + offset : x;
        filled_unit unit = fill_unit(op, x, dy, NULL, 0, count);
        for (size_t g = 0; g < UNIT; g += GROUP) {
            lane_group group;
            group_begin(op, &group, strip, false, at + g, 0);
            group_add_filled(op, &group, g, &unit);
            group_end(op, &group, strip, at + g);
        }
    }
}

/* Adds `rows` rows of `width` values, `stride` apart, to the lanes [at, at + width). */
NORMD_INLINE void add_rows(summation op, lane_strip *strip, size_t at, size_t offset, size_t stride,
    size_t rows, size_t width)
{
    for (size_t done = 0; done < rows; done += ROWS_AT_ONCE, offset += ROWS_AT_ONCE * stride) {
        size_t some = rows - done < ROWS_AT_ONCE ? rows - done : ROWS_AT_ONCE;
        const element *x = strip->x + offset, *dy = op.reads_dy ? strip->dy + offset : x;
        size_t w = 0;
        for (; w + UNIT <= width; w += UNIT) {
            add_unit(op, strip, at + w, x + w, dy + w, stride, some);
        }
        if (w < width) {
            add_row_ends(op, strip, at + w, offset + w, stride, some, width - w);
        }
    }
}

NORMD_INLINE void add_rows_segment(summation op, lane_strip *strip, const normd_segment *segment)
{
    size_t stride = strip->geometry->channels * strip->parts;
    size_t width = strip->channels * strip->parts;
    size_t rows = segment->outer_end - segment->outer_begin;
    size_t offset = segment->outer_begin * stride + strip->channel_begin * strip->parts;
    if (strip->mask != NULL) {
        for (size_t r = 0; r < rows; r++) {
            if (strip->mask[segment->outer_begin + r] != 0) {
                add_rows(
                    op, strip, r % strip->lanes * width, offset + r * stride, stride, 1, width);
            }
        }
    } else if (width == stride) {
        /* `lanes` whole rows lie in memory as their lanes do in the strip. */
        size_t wide = strip->lanes * width, rest = rows % strip->lanes;
        add_rows(op, strip, 0, offset, wide, rows / strip->lanes, wide);
        add_rows(op, strip, 0, offset + (rows - rest) * stride, wide, rest > 0, rest * width);
    } else {
        for (size_t j = 0; j < strip->lanes; j++) {
            size_t own = (rows + strip->lanes - 1 - j) / strip->lanes;
            add_rows(op, strip, j * width, offset + j * stride, strip->lanes * stride, own, width);
        }
    }
}

/* How far ahead of a run later rows are fetched, in elements, or 0; and which lanes of a unit the
   values after the last whole unit go to. */
typedef struct run_plan {
    size_t length, rest, ahead;
    narrow_mask last[PARTS];
} run_plan;

NORMD_INLINE run_plan run_plan_of(size_t g, size_t length, size_t ahead)
{
    run_plan plan = {.length = length, .rest = length % UNIT, .ahead = ahead};
    for (size_t p = 0; p < PARTS; p++) {
        for (size_t l = 0; l < DOUBLES; l++) {
            plan.last[p][l] = g + p * DOUBLES + l + plan.rest >= UNIT ? -1 : 0;
        }
    }
    return plan;
}

NORMD_INLINE void fetch_ahead(
    summation op, const run_plan *plan, const element *x, const element *dy)
{
    /* Where values have 16 bits, every other line would be fetched twice. */
    if (plan->ahead == 0 || sizeof *x < sizeof(float)) {
        return;
    }
    __builtin_prefetch(x + plan->ahead, 0, 2);
    if (op.reads_dy) {
        __builtin_prefetch(dy + plan->ahead, 0, 2);
    }
}

/* Adds one run, or piece of a run, to the lanes [g, g + GROUP) of its channel. What is left after
   whole units is read with the values before it, which the mask leaves out. */
NORMD_INLINE void add_run(summation op, lane_group *group, size_t g, const element *x,
    const element *dy, const run_plan *plan)
{
    size_t i = 0;
    for (; i + UNIT <= plan->length; i += UNIT) {
        fetch_ahead(op, plan, x + i, dy + i);
        group_add(op, group, x + i + g, dy + i + g, NULL);
    }
    if (plan->rest == 0) {
        return;
    }
    fetch_ahead(op, plan, x + plan->length, dy + plan->length);
    if (i > 0) {
        i = plan->length - UNIT;
        group_add(op, group, x + i + g, dy + i + g, plan->last);
    } else {
        filled_unit unit = fill_unit(op, x, dy, NULL, UNIT - plan->rest, plan->rest);
        group_add_filled(op, group, g, &unit);
    }
}

/* The same with a mask, a byte for each value of the run. */
NORMD_INLINE void add_masked_run(summation op, lane_group *group, size_t g, const element *x,
    const element *dy, const uint8_t *mask, size_t length)
{
    for (size_t i = 0; i < length; i += UNIT) {
        size_t count = length - i < UNIT ? length - i : UNIT;
        filled_unit unit = fill_unit(op, x + i, dy + i, mask + i, UNIT - count, count);
        group_add_filled(op, group, g, &unit);
    }
}

/* Adds `rows` runs of channel channel_begin + `c`, from row `outer` on, to the channel's lanes. */
NORMD_INLINE void add_channel_runs(summation op, lane_strip *strip, const normd_segment *segment,
    size_t c, size_t outer, size_t rows)
{
    const normd_geometry *geometry = strip->geometry;
    size_t length = segment->inner_end - segment->inner_begin;
    size_t stride = geometry->channels * geometry->inner;
    size_t at = normd_at(geometry, outer, strip->channel_begin + c, segment->inner_begin);
    for (size_t g = 0; g < UNIT; g += GROUP) {
        lane_group group;
        group_begin(op, &group, strip, true, c * UNIT + g, c);
        bool more = outer + rows < segment->outer_end;
        run_plan plan = run_plan_of(g, length, more ? rows * stride : 0);
        for (size_t r = 0; r < rows; r++) {
            const element *x = strip->x + at + r * stride;
            const element *dy = op.reads_dy ? strip->dy + at + r * stride : x;
            if (strip->mask == NULL) {
                add_run(op, &group, g, x, dy, &plan);
            } else {
                const uint8_t *mask = strip->mask + (outer + r) * geometry->inner;
                add_masked_run(op, &group, g, x, dy, mask + segment->inner_begin, length);
            }
        }
        group_end(op, &group, strip, c * UNIT + g);
    }
}

/* Some rows at a time, and of these channel after channel, in the order of memory. */
NORMD_INLINE void add_runs_segment(summation op, lane_strip *strip, const normd_segment *segment)
{
    size_t length = segment->inner_end - segment->inner_begin;
    size_t step = length < VALUES_AT_ONCE ? VALUES_AT_ONCE / length : 1;
    for (size_t o = segment->outer_begin; o < segment->outer_end; o += step) {
        size_t rows = segment->outer_end - o < step ? segment->outer_end - o : step;
        for (size_t c = 0; c < strip->channels; c++) {
            add_channel_runs(op, strip, segment, c, o, rows);
        }
    }
}

/* The sums of the strip's channels over the tile, into total[q][c]. */
NORMD_INLINE void strip_sum(summation op, lane_strip *strip)
{
    bool rows = normd_order_is_rows(strip->geometry);
    size_t lanes = strip->lanes * strip->parts * strip->channels;
    normd_segment segment = normd_order_first(strip->geometry, strip->tile);
    bool first = true;
    for (int q = 0; q < op.sums && !normd_order_holds(strip->tile, &segment); q++) {
        memset(strip->total[q], 0, strip->parts * strip->channels * sizeof(double));
    }
    while (normd_order_holds(strip->tile, &segment)) {
        for (int q = 0; q < op.sums; q++) {
            memset(strip->lane[q], 0, (lanes + UNIT) * sizeof(double));
        }
        if (rows) {
            add_rows_segment(op, strip, &segment);
        } else {
            add_runs_segment(op, strip, &segment);
        }
        strip_end_segment(op, strip, first);
        first = false;
        segment = normd_order_next(strip->geometry, strip->tile, segment);
    }
    strip_end(op, strip);
}

/* Whether the reference must do it: rows of short runs with a mask, whose positions would have to
   be repeated for each channel. */
static inline bool is_for_reference(const normd_geometry *geometry, const uint8_t *mask)
{
    return mask != NULL && normd_order_is_rows(geometry) && geometry->inner > 1;
}

#endif
