// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/element.h"

void NORMD_KERNEL(backward_apply)(const void *x, const void *dy, void *dx,
    const normd_geometry *geometry, const normd_tile *tile, const uint8_t *mask,
    const normd_backprojector *backprojector)
{
    assert(normd_tile_is_valid(geometry, tile));
    const element *input = x, *gradient = dy;
    element *output = dx;
    const element *mean_high = backprojector->mean_high, *mean_low = backprojector->mean_low;
    const element *mean_dy = backprojector->mean_dy, *slope = backprojector->slope;
    const element *scale = backprojector->scale;
    for (size_t o = tile->outer_begin; o < tile->outer_end; o++) {
        for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
            for (size_t i = 0; i < geometry->inner; i++) {
                size_t at = normd_at(geometry, o, c, i);
                element centered = (input[at] - mean_high[c]) - mean_low[c];
                element projected = (gradient[at] - mean_dy[c]) - centered * slope[c];
                bool counts = normd_counts(mask, geometry, o, i);
                output[at] = (counts ? projected : gradient[at]) * scale[c];
            }
        }
    }
}
