// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/element.h"

void NORMD_KERNEL(normalize)(const void *x, void *y, const normd_geometry *geometry,
    const normd_tile *tile, const normd_normalizer *normalizer)
{
    assert(normd_tile_is_valid(geometry, tile));
    const element *input = x;
    element *output = y;
    const element *mean_high = normalizer->mean_high, *mean_low = normalizer->mean_low;
    const element *scale = normalizer->scale, *bias = normalizer->bias;
    for (size_t o = tile->outer_begin; o < tile->outer_end; o++) {
        for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
            for (size_t i = 0; i < geometry->inner; i++) {
                size_t at = normd_at(geometry, o, c, i);
                output[at] = ((input[at] - mean_high[c]) - mean_low[c]) * scale[c] + bias[c];
            }
        }
    }
}
