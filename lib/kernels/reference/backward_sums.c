// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/element.h"
#include "lib/kernels/order.h"

/* Lanes, blocks and their order are those of the moments; the arithmetic is plain double. */
static normd_backward_sums block_sums(const element *x, const element *dy,
    const normd_geometry *geometry, normd_block block, size_t channel, double mean_high,
    double mean_low)
{
    normd_backward_sums lanes[NORMD_LANES] = {{0}};
    size_t lane_count = normd_order_lanes(geometry);
    for (size_t o = block.outer_begin; o < block.outer_end; o++) {
        for (size_t i = block.inner_begin; i < block.inner_end; i++) {
            size_t at = normd_at(geometry, o, channel, i);
            size_t position = geometry->inner == 1 ? o - block.outer_begin : i;
            normd_backward_sums *lane = &lanes[position % lane_count];
            double gradient = dy[at];
            double centered = (x[at] - mean_high) - mean_low;
            lane->dy += gradient;
            lane->dy_centered += gradient * centered;
        }
    }
    for (size_t half = lane_count / 2; half > 0; half /= 2) {
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
        sums[c] = (normd_backward_sums){0};
    }
    normd_block block = normd_order_first(geometry, tile);
    while (block.outer_begin < tile->outer_end) {
        for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
            normd_backward_sums part = block_sums(x, dy, geometry, block, c, high[c], low[c]);
            sums[c].dy += part.dy;
            sums[c].dy_centered += part.dy_centered;
        }
        block = normd_order_next(geometry, tile, block);
    }
}
