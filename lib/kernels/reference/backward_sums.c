// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/element.h"
#include "lib/kernels/order.h"

/* Segments, lanes and their order are those of the moments; the arithmetic is plain double. */
static normd_backward_sums segment_sums(const element *x, const element *dy,
    const normd_geometry *geometry, const normd_segment *segment, size_t channel, double mean_high,
    double mean_low)
{
    normd_backward_sums lanes[NORMD_LANES] = {{0}};
    for (size_t o = segment->outer_begin; o < segment->outer_end; o++) {
        for (size_t i = segment->inner_begin; i < segment->inner_end; i++) {
            size_t at = normd_at(geometry, o, channel, i);
            normd_backward_sums *lane = &lanes[normd_order_lane(geometry, segment, o, i)];
            double gradient = dy[at];
            double centered = (x[at] - mean_high) - mean_low;
            lane->dy += gradient;
            lane->dy_centered += gradient * centered;
        }
    }
    for (size_t half = normd_order_lanes(geometry) / 2; half > 0; half /= 2) {
        for (size_t l = 0; l < half; l++) {
            lanes[l].dy += lanes[l + half].dy;
            lanes[l].dy_centered += lanes[l + half].dy_centered;
        }
    }
    return lanes[0];
}

void NORMD_KERNEL(backward_sums)(const void *x, const void *dy, const normd_geometry *geometry,
    const normd_tile *tile, const void *mean_high, const void *mean_low, normd_backward_sums *sums)
{
    assert(normd_tile_is_valid(geometry, tile));
    const element *high = mean_high, *low = mean_low;
    for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
        normd_backward_sums total = {0};
        normd_segment segment = normd_order_first(geometry, tile);
        while (normd_order_holds(tile, &segment)) {
            normd_backward_sums part = segment_sums(x, dy, geometry, &segment, c, high[c], low[c]);
            total.dy += part.dy;
            total.dy_centered += part.dy_centered;
            segment = normd_order_next(geometry, tile, segment);
        }
        sums[c] = total;
    }
}
