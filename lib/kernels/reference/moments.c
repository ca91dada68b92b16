// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/element.h"
#include "lib/kernels/order.h"

/* The sums of a block so far. */
typedef struct block_sums {
    normd_sums sums;
    double pilot;
    size_t count;
} block_sums;

static void add_segment(block_sums *block, const element *x, const normd_geometry *geometry,
    const normd_segment *segment, size_t channel, const uint8_t *mask)
{
    normd_sums lanes[NORMD_LANES] = {{0}};
    for (size_t o = segment->outer_begin; o < segment->outer_end; o++) {
        for (size_t i = segment->inner_begin; i < segment->inner_end; i++) {
            if (!normd_counts(mask, geometry, o, i)) {
                continue;
            }
            double value = x[normd_at(geometry, o, channel, i)];
            block->pilot = block->count == 0 ? value : block->pilot;
            block->count++;
            size_t lane = normd_order_lane(geometry, segment, o, i);
            normd_sums_add(&lanes[lane], value, block->pilot);
        }
    }
    for (size_t half = normd_order_lanes(geometry) / 2; half > 0; half /= 2) {
        for (size_t l = 0; l < half; l++) {
            normd_sums_merge(&lanes[l], &lanes[l + half]);
        }
    }
    normd_sums_merge(&block->sums, &lanes[0]);
}

static void end_block(block_sums *block, normd_moments *total)
{
    if (block->count > 0) {
        normd_moments part = normd_sums_moments(&block->sums, (double)block->count, block->pilot);
        normd_moments_merge(total, &part);
    }
    *block = (block_sums){.count = 0};
}

void NORMD_KERNEL(moments)(const void *x, const normd_geometry *geometry, const normd_tile *tile,
    const uint8_t *mask, normd_moments *moments)
{
    assert(normd_tile_is_valid(geometry, tile));
    for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
        normd_moments total = {0};
        block_sums block = {.count = 0};
        normd_segment segment = normd_order_first(geometry, tile);
        while (normd_order_holds(tile, &segment)) {
            add_segment(&block, x, geometry, &segment, c, mask);
            segment = normd_order_next(geometry, tile, segment);
            if (normd_order_starts_block(&segment)) {
                end_block(&block, &total);
            }
        }
        end_block(&block, &total);
        moments[c] = total;
    }
}
