// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/element.h"

void NORMD_KERNEL(normalize)(const void *x, void *y, const normd_geometry *geometry,
    const normd_tile *tile, const normd_normalizer *normalizer, normd_stores stores)
{
    (void)stores;
    assert(normd_tile_is_valid(geometry, tile));
    const element *input = x;
    element *output = y;
    for (size_t o = tile->outer_begin; o < tile->outer_end; o++) {
        for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
            for (size_t i = tile->inner_begin; i < tile->inner_end; i++) {
                size_t at = normd_at(geometry, o, c, i);
                real value = normd_y(widen(input[at]), normalizer, c);
                output[at] = narrow(normalizer->relu && value < 0 ? 0 : value);
            }
        }
    }
}
