// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_VECTOR_STRIP_H
#define NORMD_KERNELS_VECTOR_STRIP_H

#include <stdalign.h>

#include "lib/kernels/double_double.h"
#include "lib/kernels/vector/vector.h"

/*
 * A strip: the lanes of some neighbouring channels, side by side, small enough for the first-level
 * cache. With rows, lane j of part p of channel c is at (j * channels + c) * parts + p: next to
 * what it is next to in memory. With runs, lane l of channel c is at 16 c + l.
 *
 * Values come in units of 16 that lie next to each other and belong to neighbouring lanes, and are
 * added in groups of two vectors of doubles, whose sums stay in registers.
 */
enum {
    STRIP = 1024, /* lanes */
    UNIT = 16,
    PARTS = 2,               /* vectors of doubles in a lane_group */
    GROUP = PARTS * DOUBLES, /* lanes of a lane_group */
    MOST_SUMS = 3,
    MOST_CONSTANTS = 6,
};

typedef struct lane_strip {
    /* Of the lanes in the present segment; the last UNIT are for what hangs over the end. */
    alignas(64) double lane[MOST_SUMS][STRIP + UNIT];
    /* Of each part of each channel, the segments so far. */
    alignas(64) double total[MOST_SUMS][STRIP];
    /* What an operation knows of a lane (with rows) or channel (with runs). */
    alignas(64) real constant[MOST_CONSTANTS][STRIP + UNIT];

    const element *x, *dy; /* the whole batch; dy may be NULL */
    const uint8_t *mask;   /* or NULL */
    const normd_geometry *geometry;
    const normd_tile *tile;
    size_t channel_begin, channels;
    size_t lanes, parts; /* of each channel */
} lane_strip;

/* The lanes of a group while they are added to. */
typedef struct lane_group {
    double_vector sum[MOST_SUMS][PARTS];
    narrow_vector constant[MOST_CONSTANTS][PARTS];
} lane_group;

/* An operation. Always a constant, so that all of it becomes part of the loops. */
typedef struct summation {
    int sums, constants; /* how many there are */
    bool error_free;     /* sum 1 takes the rounding errors of sum 0 */
    bool reads_dy;
    /* Adds DOUBLES values at x (and dy) to part `part` of a group; where the mask (or NULL) is
       zero, exactly nothing. */
    void (*add)(
        lane_group *group, int part, const element *x, const element *dy, const narrow_mask *mask);
} summation;

/* Before the first strip of a tile. */
static inline void strip_open(lane_strip *strip, const void *x, const void *dy, const uint8_t *mask,
    const normd_geometry *geometry, const normd_tile *tile)
{
    strip->x = x;
    strip->dy = dy;
    strip->mask = mask;
    strip->geometry = geometry;
    strip->tile = tile;
    strip->lanes = normd_order_lanes(geometry);
    strip->parts = normd_order_parts(geometry);
    strip->channel_begin = tile->channel_begin;
    strip->channels = 0;
}

static inline bool is_wanted(const uint8_t *wanted, size_t channel)
{
    return wanted == NULL || wanted[channel] != 0;
}

/* The next strip: as many neighbouring channels as fit. With `wanted`, it begins and ends with one
   that is wanted, and gaps narrower than a unit are taken along. False when there is none left. */
static inline bool strip_next(lane_strip *strip, const uint8_t *wanted)
{
    size_t begin = strip->channel_begin + strip->channels, end = strip->tile->channel_end;
    size_t most = STRIP / (strip->lanes * strip->parts);
    while (begin < end && !is_wanted(wanted, begin)) {
        begin++;
    }
    end = end - begin < most ? end : begin + most;
    size_t last = begin;
    for (size_t c = begin; wanted != NULL && c < end && c - last <= UNIT; c++) {
        last = is_wanted(wanted, c) ? c : last;
    }
    strip->channel_begin = begin;
    strip->channels = wanted != NULL && begin < end ? last + 1 - begin : end - begin;
    return strip->channels > 0;
}

/* Sets constant k of all lanes from the C coefficients `values`, or to zero when it is NULL. */
static inline void strip_set_constant(lane_strip *strip, int k, const void *values)
{
    const real *from = values;
    bool rows = normd_order_is_rows(strip->geometry);
    size_t copies = rows ? strip->lanes : 1, parts = rows ? strip->parts : 1;
    real *to = strip->constant[k];
    for (size_t copy = 0; copy < copies; copy++) {
        for (size_t c = 0; c < strip->channels; c++) {
            for (size_t p = 0; p < parts; p++) {
                *to++ = from != NULL ? from[strip->channel_begin + c] : 0;
            }
        }
    }
    memset(to, 0, UNIT * sizeof *to);
}

/* The constants of a fused ReLU's gate, from constant k on. */
static inline void strip_set_gate(lane_strip *strip, int k, const normd_normalizer *gate)
{
    strip_set_constant(strip, k, gate->mean_high);
    strip_set_constant(strip, k + 1, gate->mean_low);
    strip_set_constant(strip, k + 2, gate->scale);
    strip_set_constant(strip, k + 3, gate->bias);
}

/* Sums of `count` lanes or totals: to[l] and from[l * step]. */
NORMD_INLINE void merge(
    summation op, double *const *to, double *const *from, size_t count, size_t step)
{
    int first_plain = 0;
    if (op.error_free) {
        first_plain = 2;
        for (size_t l = 0; l < count; l++) {
            normd_double_double sum = normd_two_sum(to[0][l], from[0][l * step]);
            to[0][l] = sum.high;
            to[1][l] = (to[1][l] + from[1][l * step]) + sum.low;
        }
    }
    for (int q = first_plain; q < op.sums; q++) {
        double *a = to[q], *b = from[q];
        NORMD_INDEPENDENT
        for (size_t l = 0; l < count; l++) {
            a[l] += b[l * step];
        }
    }
}

NORMD_INLINE void merge_lanes(summation op, lane_strip *strip, size_t to, size_t from, size_t count)
{
    double *const a[] = {strip->lane[0] + to, strip->lane[1] + to, strip->lane[2] + to};
    double *const b[] = {strip->lane[0] + from, strip->lane[1] + from, strip->lane[2] + from};
    merge(op, a, b, count, 1);
}

/* The pairwise merging of the lanes. */
NORMD_INLINE void strip_merge_lanes(summation op, lane_strip *strip)
{
    if (normd_order_is_rows(strip->geometry)) {
        size_t width = strip->channels * strip->parts;
        for (size_t half = strip->lanes / 2; half > 0; half /= 2) {
            merge_lanes(op, strip, 0, half * width, half * width);
        }
        return;
    }
    for (size_t c = 0; c < strip->channels; c++) {
        merge_lanes(op, strip, c * NORMD_RUN_LANES, c * NORMD_RUN_LANES + 8, 8);
        merge_lanes(op, strip, c * NORMD_RUN_LANES, c * NORMD_RUN_LANES + 4, 4);
        merge_lanes(op, strip, c * NORMD_RUN_LANES, c * NORMD_RUN_LANES + 2, 2);
        merge_lanes(op, strip, c * NORMD_RUN_LANES, c * NORMD_RUN_LANES + 1, 1);
    }
}

/* Makes the merged lanes the totals. */
NORMD_INLINE void strip_set_totals(summation op, lane_strip *strip, size_t count, size_t step)
{
    for (int q = 0; q < op.sums; q++) {
        double *to = strip->total[q];
        const double *from = strip->lane[q];
        for (size_t l = 0; l < count; l++) {
            to[l] = from[l * step];
        }
    }
}

/* Adds the lanes, merged, to the totals; the first segment's become the totals. */
NORMD_INLINE void strip_end_segment(summation op, lane_strip *strip, bool first)
{
    bool rows = normd_order_is_rows(strip->geometry);
    size_t count = strip->channels * strip->parts, step = rows ? 1 : NORMD_RUN_LANES;
    strip_merge_lanes(op, strip);
    if (first) {
        strip_set_totals(op, strip, count, step);
        return;
    }
    double *const totals[] = {strip->total[0], strip->total[1], strip->total[2]};
    double *const lanes[] = {strip->lane[0], strip->lane[1], strip->lane[2]};
    merge(op, totals, lanes, count, step);
}

/* Makes total[q][c] the sums of channel channel_begin + c. */
NORMD_INLINE void strip_end(summation op, lane_strip *strip)
{
    for (size_t c = 0; strip->parts > 1 && c < strip->channels; c++) {
        size_t at = c * strip->parts;
        for (size_t p = 1; p < strip->parts; p++) {
            double *const to[] = {strip->total[0] + at, strip->total[1] + at, strip->total[2] + at};
            double *const from[] = {
                strip->total[0] + at + p, strip->total[1] + at + p, strip->total[2] + at + p};
            merge(op, to, from, 1, 1);
        }
        for (int q = 0; q < op.sums; q++) {
            strip->total[q][c] = strip->total[q][at];
        }
    }
}

#endif
