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

NORMD_INLINE key_vector keys_least(key_vector a, key_vector b)
{
    key_vector less = a < b;
    return (a & less) | (b & ~less);
}

/* Adds units the fast way. */
NORMD_INLINE void add_units_fast(
    void *lanes, size_t at, size_t skip, size_t offset, size_t stride, size_t rows)
{
    lane_strip *strip = lanes;
    const element *x = strip->x + offset;
    double_vector sum[PARTS], squares[PARTS], pilot[PARTS];
    key_vector least[PARTS];
    memcpy(sum, strip->sum + at, sizeof sum);
    memcpy(squares, strip->squares + at, sizeof squares);
    memcpy(pilot, strip->pilot + at, sizeof pilot);
    memcpy(least, strip->least + at, sizeof least);
    for (size_t r = 0; r < rows; r++, x += stride) {
        for (int p = 0; p < PARTS; p++) {
            double_vector value = doubles_load_elements(x + p * DOUBLES);
            double_vector shifted = value - pilot[p];
            sum[p] += value;
            squares[p] += shifted * shifted;
            least[p] = keys_least(least[p], keys_of(x + p * DOUBLES));
        }
    }
    unit_store(strip->sum + at, sum, skip);
    unit_store(strip->squares + at, squares, skip);
    int32_t keys[UNIT];
    memcpy(keys, least, sizeof keys);
    memcpy(strip->least + at + skip, keys + skip, (UNIT - skip) * sizeof keys[0]);
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

/* Adds units the careful way. */
NORMD_INLINE void add_units_careful(
    void *lanes, size_t at, size_t skip, size_t offset, size_t stride, size_t rows)
{
    lane_strip *strip = lanes;
    const element *x = strip->x + offset;
    double_vector sum[PARTS], error[PARTS], squares[PARTS], pilot[PARTS];
    memcpy(sum, strip->sum + at, sizeof sum);
    memcpy(error, strip->error + at, sizeof error);
    memcpy(squares, strip->squares + at, sizeof squares);
    memcpy(pilot, strip->pilot + at, sizeof pilot);
    for (size_t r = 0; r < rows; r++, x += stride) {
        for (int p = 0; p < PARTS; p++) {
            double_vector value = doubles_load_elements(x + p * DOUBLES);
            double_vector shifted = value - pilot[p];
            double_vector before = sum[p];
            sum[p] = before + value;
            double_vector in_sum = sum[p] - before;
            error[p] += (before - (sum[p] - in_sum)) + (value - in_sum);
            squares[p] += shifted * shifted;
        }
    }
    unit_store(strip->sum + at, sum, skip);
    unit_store(strip->error + at, error, skip);
    unit_store(strip->squares + at, squares, skip);
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

static void gather_careful(const segment_view *view, lane_strip *strip)
{
    lanes_clear(strip, view->lanes * view->channels);
    walk((walk_actions){add_units_careful, add_value}, strip, view);
}

#if NORMD_ELEMENT_BITS == 32

/* Gathers the channels [begin, end) of the view again. A channel's sums do not depend on which
   others are gathered along with it. */
static void gather_again(const segment_view *view, lane_strip *strip, size_t begin, size_t end)
{
    lane_strip again;
    again.x = strip->x;
    segment_view part = *view;
    part.channel_begin += begin;
    part.channels = end - begin;
    size_t lanes = view->lanes * part.channels;
    memcpy(again.pilot, strip->pilot + begin, lanes * sizeof again.pilot[0]);
    gather_careful(&part, &again);
    memcpy(strip->sum + begin, again.sum, lanes * sizeof again.sum[0]);
    memcpy(strip->error + begin, again.error, lanes * sizeof again.error[0]);
}

static void gather(const segment_view *view, lane_strip *strip)
{
    const normd_segment *segment = &view->segment;
    size_t rows = (segment->outer_end - segment->outer_begin + view->lanes - 1) / view->lanes;
    if (view->geometry->inner > 1) {
        rows = (segment->outer_end - segment->outer_begin) *
               ((segment->inner_end - segment->inner_begin + UNIT - 1) / UNIT);
    }
    lanes_clear(strip, view->lanes * view->channels);
    walk((walk_actions){add_units_fast, add_value}, strip, view);
    /* With one lane a channel any few channels can be gathered again; else all there are. */
    size_t step = view->lanes == 1 ? UNIT : view->channels;
    for (size_t c = 0; c < view->channels; c += step) {
        size_t end = view->channels - c < step ? view->channels : c + step;
        if (!lanes_are_exact(strip, c * view->lanes, end * view->lanes, (double)rows)) {
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
