// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/order.h"
#include "lib/kernels/vector/walk.h"

typedef struct gradient_strip {
    alignas(64) double dy_sum[STRIP];
    alignas(64) double dy_centered_sum[STRIP];
    alignas(64) double mean_high[STRIP];
    alignas(64) double mean_low[STRIP];
    const element *x, *dy;
} gradient_strip;

NORMD_INLINE void add_units(
    void *lanes, size_t at, size_t skip, size_t offset, size_t stride, size_t rows)
{
    gradient_strip *strip = lanes;
    const element *x = strip->x + offset, *dy = strip->dy + offset;
    double_vector sum[PARTS], centered_sum[PARTS], high[PARTS], low[PARTS];
    memcpy(sum, strip->dy_sum + at, sizeof sum);
    memcpy(centered_sum, strip->dy_centered_sum + at, sizeof centered_sum);
    memcpy(high, strip->mean_high + at, sizeof high);
    memcpy(low, strip->mean_low + at, sizeof low);
    for (size_t r = 0; r < rows; r++, x += stride, dy += stride) {
        for (int p = 0; p < PARTS; p++) {
            double_vector gradient = doubles_load_elements(dy + p * DOUBLES);
            double_vector value = doubles_load_elements(x + p * DOUBLES);
            sum[p] += gradient;
            centered_sum[p] += gradient * ((value - high[p]) - low[p]);
        }
    }
    unit_store(strip->dy_sum + at, sum, skip);
    unit_store(strip->dy_centered_sum + at, centered_sum, skip);
}

static inline void add_value(void *lanes, size_t at, size_t offset)
{
    gradient_strip *strip = lanes;
    double gradient = strip->dy[offset];
    double centered = (strip->x[offset] - strip->mean_high[at]) - strip->mean_low[at];
    strip->dy_sum[at] += gradient;
    strip->dy_centered_sum[at] += gradient * centered;
}

static void start(const segment_view *view, gradient_strip *strip, const element *mean_high,
    const element *mean_low)
{
    for (size_t j = 0; j < view->lanes; j++) {
        for (size_t c = 0; c < view->channels; c++) {
            size_t lane = j * view->channels + c;
            strip->mean_high[lane] = mean_high[view->channel_begin + c];
            strip->mean_low[lane] = mean_low[view->channel_begin + c];
        }
    }
}

static void add_segment(const segment_view *view, gradient_strip *strip, normd_backward_sums *sums)
{
    for (size_t l = 0; l < view->lanes * view->channels; l++) {
        strip->dy_sum[l] = strip->dy_centered_sum[l] = 0;
    }
    walk((walk_actions){add_units, add_value}, strip, view);
    for (size_t half = view->lanes / 2; half > 0; half /= 2) {
        size_t other = half * view->channels;
        for (size_t l = 0; l < other; l++) {
            strip->dy_sum[l] += strip->dy_sum[l + other];
            strip->dy_centered_sum[l] += strip->dy_centered_sum[l + other];
        }
    }
    for (size_t c = 0; c < view->channels; c++) {
        sums[c].dy += strip->dy_sum[c];
        sums[c].dy_centered += strip->dy_centered_sum[c];
    }
}

void NORMD_KERNEL(backward_sums)(const void *x, const void *dy, const normd_geometry *geometry,
    const normd_tile *tile, const void *mean_high, const void *mean_low, normd_backward_sums *sums)
{
    assert(normd_tile_is_valid(geometry, tile));
    gradient_strip strip;
    strip.x = x;
    strip.dy = dy;
    for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
        sums[c] = (normd_backward_sums){0};
    }
    for (size_t c = tile->channel_begin; c < tile->channel_end;) {
        segment_view view = view_start(geometry, tile, NULL, c);
        start(&view, &strip, mean_high, mean_low);
        while (normd_order_holds(tile, &view.segment)) {
            add_segment(&view, &strip, sums + c);
            view.segment = normd_order_next(geometry, tile, view.segment);
        }
        c += view.channels;
    }
}
