// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/element.h"

static real projected(real x, real dy, const normd_backprojector *backprojector, size_t c)
{
    const real *mean_high = backprojector->mean_high, *mean_low = backprojector->mean_low;
    const real *mean_dy = backprojector->mean_dy, *slope = backprojector->slope;
    real centered = (x - mean_high[c]) - mean_low[c];
    return (dy - mean_dy[c]) - centered * slope[c];
}

void NORMD_KERNEL(backward)(const void *x, const void *dy, void *dx, const normd_geometry *geometry,
    const normd_tile *tile, const uint8_t *mask, const normd_normalizer *gate,
    const normd_backprojector *backprojector, normd_stores stores)
{
    (void)stores;
    assert(normd_tile_is_valid(geometry, tile));
    const element *input = x, *gradient = dy;
    element *output = dx;
    const real *scale = backprojector->scale;
    for (size_t o = tile->outer_begin; o < tile->outer_end; o++) {
        for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
            for (size_t i = tile->inner_begin; i < tile->inner_end; i++) {
                size_t at = normd_at(geometry, o, c, i);
                real value = widen(gradient[at]);
                if (gate != NULL) {
                    value = normd_passes(widen(input[at]), gate, c) ? value : 0;
                }
                if (backprojector->mean_dy != NULL && normd_counts(mask, geometry, o, i)) {
                    value = projected(widen(input[at]), value, backprojector, c);
                }
                output[at] = narrow(value * scale[c]);
            }
        }
    }
}
