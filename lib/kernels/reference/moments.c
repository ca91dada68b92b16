// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/element.h"
#include "lib/kernels/order.h"

static normd_moments block_moments(const element *x, const normd_geometry *geometry,
    normd_block block, size_t channel, const uint8_t *mask)
{
    normd_lane_sums lanes[NORMD_LANES] = {{0}};
    size_t lane_count = normd_order_lanes(geometry);
    size_t count = 0;
    double pilot = 0;
    for (size_t o = block.outer_begin; o < block.outer_end; o++) {
        for (size_t i = block.inner_begin; i < block.inner_end; i++) {
            if (!normd_counts(mask, geometry, o, i)) {
                continue;
            }
            double value = x[normd_at(geometry, o, channel, i)];
            pilot = count == 0 ? value : pilot;
            size_t position = geometry->inner == 1 ? o - block.outer_begin : i;
            normd_lane_add(&lanes[position % lane_count], value, pilot);
            count++;
        }
    }
    if (count == 0) {
        return (normd_moments){0};
    }
    normd_lanes_merge(lanes, lane_count);
    return normd_lane_moments(&lanes[0], (double)count, pilot);
}

void NORMD_KERNEL(moments)(const void *x, const normd_geometry *geometry, const normd_tile *tile,
    const uint8_t *mask, normd_moments *moments)
{
    assert(normd_tile_is_valid(geometry, tile));
    for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
        moments[c] = (normd_moments){0};
    }
    normd_block block = normd_order_first(geometry, tile);
    while (block.outer_begin < tile->outer_end) {
        for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
            normd_moments part = block_moments(x, geometry, block, c, mask);
            normd_moments_merge(&moments[c], &part);
        }
        block = normd_order_next(geometry, tile, block);
    }
}
