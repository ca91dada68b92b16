// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_VECTOR_GATHER_H
#define NORMD_KERNELS_VECTOR_GATHER_H

#include <math.h>

#include "lib/kernels/vector/walk.h"

/*
 * Each lane of a strip gathers the values of a segment as normd_sums_add does.
 *
 * Sums of floats have a short cut. Where all values of a lane are multiples of some g and their
 * absolute values add up to at most 2^53 g, every partial sum is a double without rounding: plain
 * additions give the sum and an error of 0, just what the careful way would give. Such a g is the
 * last place of the smallest value that is not zero. The fast way keeps track of that value; where
 * a lane fails the test, its neighbourhood is gathered again, the careful way.
 */
typedef struct lane_strip {
    alignas(64) double sum[STRIP];
    alignas(64) double error[STRIP];
    alignas(64) double squares[STRIP];
    alignas(64) double pilot[STRIP];
    alignas(64) int32_t least[STRIP]; /* the least key of a lane's values */
    const element *x;
} lane_strip;

static void lanes_clear(lane_strip *strip, size_t lanes)
{
    for (size_t l = 0; l < lanes; l++) {
        strip->sum[l] = strip->error[l] = strip->squares[l] = 0;
        strip->least[l] = INT32_MAX;
    }
}

#if NORMD_ELEMENT_BITS == 32

typedef uint32_t bits_vector __attribute__((vector_size(NORMD_VECTOR_BYTES / 2)));
typedef int32_t key_vector __attribute__((vector_size(NORMD_VECTOR_BYTES / 2)));

/* Keys order floats by |value|, but zero last, as signed integers: the bits of |value|, less 1,
   with the highest bit turned over. */
NORMD_INLINE key_vector keys_of(const float *from)
{
    bits_vector bits;
    memcpy(&bits, from, sizeof bits);
    return (key_vector)((bits & (uint32_t)INT32_MAX) + (uint32_t)INT32_MAX);
}

/* The key of zero in the lanes that the mask leaves out. */
NORMD_INLINE key_vector keys_masked(key_vector keys, lane_mask mask)
{
    key_vector kept = __builtin_convertvector(mask, key_vector);
    return (keys & kept) | (~kept & INT32_MAX);
}

NORMD_INLINE key_vector keys_least(key_vector a, key_vector b)
{
    key_vector less = a < b;
    return (a & less) | (b & ~less);
}

/* Whether the plain sums of the lanes [begin, end) are proven to be exact. `chain` bounds the
   number of a lane's values: sum |x| <= chain |pilot| + sqrt(chain squares). Less than half of
   2^53 g for each of the two leaves room for the rounding of this test. With a biased exponent of
   e, g is 2^(e - 150), and a half of 2^53 g is 2^(e - 98). */
static bool lanes_are_exact(const lane_strip *strip, size_t begin, size_t end, double chain)
{
    bool exact = true;
    for (size_t l = begin; l < end; l++) {
        uint64_t exponent = ((uint32_t)strip->least[l] - (uint32_t)INT32_MAX) >> 23;
        uint64_t bits = (exponent + (exponent == 0) + 1023 - 98) << 52;
        double half;
        memcpy(&half, &bits, sizeof half);
        exact &= chain * fabs(strip->pilot[l]) <= 0.999 * half;
        exact &= chain * strip->squares[l] <= 0.999 * (half * half);
    }
    return exact;
}

#endif

/* The lanes of one group while they are added to. */
typedef struct group_sums {
    double_vector sum[PARTS], error[PARTS], squares[PARTS], pilot[PARTS];
#if NORMD_ELEMENT_BITS == 32
    key_vector least[PARTS];
#endif
} group_sums;

/* Always a constant, so that each way is compiled on its own. */
typedef enum gather_way { GATHER_FAST, GATHER_CAREFUL } gather_way;

NORMD_INLINE void group_read(group_sums *group, const lane_strip *strip, size_t at)
{
    for (size_t p = 0; p < PARTS; p++) {
        size_t lane = at + p * DOUBLES;
        group->sum[p] = doubles_load(strip->sum + lane);
        group->error[p] = doubles_load(strip->error + lane);
        group->squares[p] = doubles_load(strip->squares + lane);
        group->pilot[p] = doubles_load(strip->pilot + lane);
#if NORMD_ELEMENT_BITS == 32
        memcpy(&group->least[p], strip->least + lane, sizeof group->least[p]);
#endif
    }
}

NORMD_INLINE void group_write(
    const group_sums *group, lane_strip *strip, size_t at, size_t skip, gather_way way)
{
    group_store(strip->sum + at, group->sum, skip);
    group_store(strip->squares + at, group->squares, skip);
    if (way == GATHER_CAREFUL) {
        group_store(strip->error + at, group->error, skip);
        return;
    }
#if NORMD_ELEMENT_BITS == 32
    /* A key too many in the lanes to be skipped only makes the test of exactness stricter. */
    for (size_t p = 0; p < PARTS; p++) {
        memcpy(strip->least + at + p * DOUBLES, &group->least[p], sizeof group->least[p]);
    }
#endif
}

/* Adds GROUP values; with a mask, zeros in the place of those that it leaves out. */
NORMD_INLINE void group_add(
    group_sums *group, const element *x, const lane_mask *mask, gather_way way)
{
    for (int p = 0; p < PARTS; p++) {
        double_vector value = doubles_load_elements(x + p * DOUBLES);
        double_vector shifted = value - group->pilot[p];
        if (mask != NULL) {
            value = doubles_masked(value, mask[p]);
            shifted = doubles_masked(shifted, mask[p]);
        }
        group->squares[p] += shifted * shifted;
        double_vector before = group->sum[p];
        group->sum[p] = before + value;
        if (way == GATHER_CAREFUL) {
            double_vector in_sum = group->sum[p] - before;
            group->error[p] += (before - (group->sum[p] - in_sum)) + (value - in_sum);
            continue;
        }
#if NORMD_ELEMENT_BITS == 32
        key_vector keys = keys_of(x + p * DOUBLES);
        keys = mask != NULL ? keys_masked(keys, mask[p]) : keys;
        group->least[p] = keys_least(group->least[p], keys);
#endif
    }
}

NORMD_INLINE void add_units(lane_strip *strip, size_t at, size_t skip, const element *x,
    size_t stride, size_t rows, gather_way way)
{
    for (size_t g = 0; g < UNIT; g += GROUP) {
        group_sums group;
        group_read(&group, strip, at + g);
        for (size_t r = 0; r < rows; r++) {
            group_add(&group, x + r * stride + g, NULL, way);
        }
        group_write(&group, strip, at + g, group_skip(g, skip), way);
    }
}

NORMD_INLINE void add_runs(lane_strip *strip, size_t at, const element *x, size_t stride,
    size_t rows, size_t length, gather_way way)
{
    size_t rest = length % UNIT;
    for (size_t g = 0; g < UNIT; g += GROUP) {
        const lane_mask last[PARTS] = {
            mask_last_lanes(g, rest), mask_last_lanes(g + DOUBLES, rest)};
        group_sums group;
        group_read(&group, strip, at + g);
        for (size_t r = 0; r < rows; r++) {
            const element *run = x + r * stride + g;
            for (size_t i = 0; i + UNIT <= length; i += UNIT) {
                group_add(&group, run + i, NULL, way);
            }
            if (rest > 0) {
                group_add(&group, run + length - UNIT, last, way);
            }
        }
        group_write(&group, strip, at + g, 0, way);
    }
}

/* One value, the careful way, with its key. */
static inline void add_value(void *lanes, size_t at, size_t offset)
{
    lane_strip *strip = lanes;
    normd_sums lane = {strip->sum[at], strip->error[at], strip->squares[at]};
    normd_sums_add(&lane, strip->x[offset], strip->pilot[at]);
    strip->sum[at] = lane.sum;
    strip->error[at] = lane.error;
    strip->squares[at] = lane.squares;
#if NORMD_ELEMENT_BITS == 32
    uint32_t bits;
    memcpy(&bits, &strip->x[offset], sizeof bits);
    int32_t key = (int32_t)((bits & (uint32_t)INT32_MAX) + (uint32_t)INT32_MAX);
    strip->least[at] = key < strip->least[at] ? key : strip->least[at];
#endif
}

static inline void add_units_careful(
    void *strip, size_t at, size_t skip, size_t offset, size_t stride, size_t rows)
{
    lane_strip *to = strip;
    add_units(to, at, skip, to->x + offset, stride, rows, GATHER_CAREFUL);
}

static inline void add_runs_careful(
    void *strip, size_t at, size_t offset, size_t stride, size_t rows, size_t length)
{
    lane_strip *to = strip;
    add_runs(to, at, to->x + offset, stride, rows, length, GATHER_CAREFUL);
}

static void gather_careful(const segment_view *view, lane_strip *strip)
{
    lanes_clear(strip, view->lanes * view->channels);
    walk((walk_actions){add_units_careful, add_runs_careful, add_value}, strip, view);
}

#if NORMD_ELEMENT_BITS == 32

static inline void add_units_fast(
    void *strip, size_t at, size_t skip, size_t offset, size_t stride, size_t rows)
{
    lane_strip *to = strip;
    add_units(to, at, skip, to->x + offset, stride, rows, GATHER_FAST);
}

static inline void add_runs_fast(
    void *strip, size_t at, size_t offset, size_t stride, size_t rows, size_t length)
{
    lane_strip *to = strip;
    add_runs(to, at, to->x + offset, stride, rows, length, GATHER_FAST);
}

/* Gathers the channels [begin, end) of the view again, whose lanes lie together in the strip. A
   channel's sums do not depend on which others are gathered along with it. */
static void gather_again(const segment_view *view, lane_strip *strip, size_t begin, size_t end)
{
    lane_strip again;
    again.x = strip->x;
    segment_view part = *view;
    part.channel_begin += begin;
    part.channels = end - begin;
    size_t first = begin * view->lanes, bytes = part.channels * view->lanes * sizeof(double);
    memcpy(again.pilot, strip->pilot + first, bytes);
    gather_careful(&part, &again);
    memcpy(strip->sum + first, again.sum, bytes);
    memcpy(strip->error + first, again.error, bytes);
}

/* Bounds how many values a lane gets. */
static size_t most_values_of_lane(const segment_view *view)
{
    const normd_segment *segment = &view->segment;
    size_t rows = segment->outer_end - segment->outer_begin;
    size_t length = segment->inner_end - segment->inner_begin;
    return view->geometry->inner > 1 ? rows * ((length + UNIT - 1) / UNIT)
                                     : (rows + view->lanes - 1) / view->lanes;
}

/* How many channels at once are gathered again: few, but such whose lanes lie together. */
static size_t channels_again(const segment_view *view)
{
    if (view->geometry->inner > 1) {
        return 1;
    }
    return view->lanes == 1 ? UNIT : view->channels;
}

static void gather(const segment_view *view, lane_strip *strip)
{
    lanes_clear(strip, view->lanes * view->channels);
    walk((walk_actions){add_units_fast, add_runs_fast, add_value}, strip, view);
    double chain = (double)most_values_of_lane(view);
    size_t step = channels_again(view);
    for (size_t c = 0; c < view->channels; c += step) {
        size_t end = view->channels - c < step ? view->channels : c + step;
        if (!lanes_are_exact(strip, c * view->lanes, end * view->lanes, chain)) {
            gather_again(view, strip, c, end);
        }
    }
}

#else

static void gather(const segment_view *view, lane_strip *strip)
{
    gather_careful(view, strip);
}

#endif

#endif
