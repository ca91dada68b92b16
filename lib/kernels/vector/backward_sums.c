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

/* The lanes of one group while they are added to. */
typedef struct group_sums {
    double_vector dy_sum[PARTS], dy_centered_sum[PARTS], high[PARTS], low[PARTS];
} group_sums;

NORMD_INLINE void group_read(group_sums *group, const gradient_strip *strip, size_t at)
{
    for (size_t p = 0; p < PARTS; p++) {
        size_t lane = at + p * DOUBLES;
        group->dy_sum[p] = doubles_load(strip->dy_sum + lane);
        group->dy_centered_sum[p] = doubles_load(strip->dy_centered_sum + lane);
        group->high[p] = doubles_load(strip->mean_high + lane);
        group->low[p] = doubles_load(strip->mean_low + lane);
    }
}

NORMD_INLINE void group_write(
    const group_sums *group, gradient_strip *strip, size_t at, size_t skip)
{
    group_store(strip->dy_sum + at, group->dy_sum, skip);
    group_store(strip->dy_centered_sum + at, group->dy_centered_sum, skip);
}

/* Adds GROUP values; with a mask, zeros in the place of those that it leaves out. */
NORMD_INLINE void group_add(
    group_sums *group, const element *x, const element *dy, const lane_mask *mask)
{
    for (int p = 0; p < PARTS; p++) {
        double_vector gradient = doubles_load_elements(dy + p * DOUBLES);
        double_vector value = doubles_load_elements(x + p * DOUBLES);
        double_vector product = gradient * ((value - group->high[p]) - group->low[p]);
        if (mask != NULL) {
            gradient = doubles_masked(gradient, mask[p]);
            product = doubles_masked(product, mask[p]);
        }
        group->dy_sum[p] += gradient;
        group->dy_centered_sum[p] += product;
    }
}

static inline void add_units(
    void *lanes, size_t at, size_t skip, size_t offset, size_t stride, size_t rows)
{
    gradient_strip *strip = lanes;
    for (size_t g = 0; g < UNIT; g += GROUP) {
        const element *x = strip->x + offset + g, *dy = strip->dy + offset + g;
        group_sums group;
        group_read(&group, strip, at + g);
        for (size_t r = 0; r < rows; r++) {
            group_add(&group, x + r * stride, dy + r * stride, NULL);
        }
        group_write(&group, strip, at + g, group_skip(g, skip));
    }
}

static inline void add_runs(
    void *lanes, size_t at, size_t offset, size_t stride, size_t rows, size_t length)
{
    gradient_strip *strip = lanes;
    size_t rest = length % UNIT;
    for (size_t g = 0; g < UNIT; g += GROUP) {
        const lane_mask last[PARTS] = {
            mask_last_lanes(g, rest), mask_last_lanes(g + DOUBLES, rest)};
        group_sums group;
        group_read(&group, strip, at + g);
        for (size_t r = 0; r < rows; r++) {
            const element *x = strip->x + offset + r * stride + g;
            const element *dy = strip->dy + offset + r * stride + g;
            for (size_t i = 0; i + UNIT <= length; i += UNIT) {
                group_add(&group, x + i, dy + i, NULL);
            }
            if (rest > 0) {
                group_add(&group, x + length - UNIT, dy + length - UNIT, last);
            }
        }
        group_write(&group, strip, at + g, 0);
    }
}

static inline void add_value(void *lanes, size_t at, size_t offset)
{
    gradient_strip *strip = lanes;
    double gradient = strip->dy[offset];
    double centered = (strip->x[offset] - strip->mean_high[at]) - strip->mean_low[at];
    strip->dy_sum[at] += gradient;
    strip->dy_centered_sum[at] += gradient * centered;
}

static void set_means(const segment_view *view, gradient_strip *strip, const element *mean_high,
    const element *mean_low)
{
    for (size_t lane = 0; lane < view->lanes; lane++) {
        for (size_t c = 0; c < view->channels; c++) {
            size_t at = view_lane(view, c, lane);
            strip->mean_high[at] = mean_high[view->channel_begin + c];
            strip->mean_low[at] = mean_low[view->channel_begin + c];
        }
    }
}

static void merge_lanes(const segment_view *view, gradient_strip *strip)
{
    merge_plan plan = view_merge_plan(view);
    for (size_t g = 0; g < plan.groups; g++) {
        double *dy_sum = strip->dy_sum + g * plan.group;
        double *dy_centered_sum = strip->dy_centered_sum + g * plan.group;
        for (size_t half = plan.group / 2; half >= plan.last; half /= 2) {
            for (size_t l = 0; l < half; l++) {
                dy_sum[l] += dy_sum[l + half];
                dy_centered_sum[l] += dy_centered_sum[l + half];
            }
        }
    }
}

static void add_segment(const segment_view *view, gradient_strip *strip, normd_backward_sums *sums)
{
    for (size_t l = 0; l < view->lanes * view->channels; l++) {
        strip->dy_sum[l] = strip->dy_centered_sum[l] = 0;
    }
    walk((walk_actions){add_units, add_runs, add_value}, strip, view);
    merge_lanes(view, strip);
    for (size_t c = 0; c < view->channels; c++) {
        sums[c].dy += strip->dy_sum[view_lane(view, c, 0)];
        sums[c].dy_centered += strip->dy_centered_sum[view_lane(view, c, 0)];
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
        set_means(&view, &strip, mean_high, mean_low);
        while (normd_order_holds(tile, &view.segment)) {
            add_segment(&view, &strip, sums + c);
            view.segment = normd_order_next(geometry, tile, view.segment);
        }
        c += view.channels;
    }
}
