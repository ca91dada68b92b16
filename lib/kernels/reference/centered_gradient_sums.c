// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/reference/gather.h"

typedef struct gradient_gathering {
    gathering base;
    const element *x, *dy;
    const normd_normalizer *gate;
    double high, low;
} gradient_gathering;

static void add(const gathering *base, quantities *lane, size_t outer, size_t inner)
{
    const gradient_gathering *self = (const gradient_gathering *)base;
    size_t at = normd_at(base->geometry, outer, base->channel, inner);
    real x = widen(self->x[at]);
    double dy = normd_passes(x, self->gate, base->channel) ? widen(self->dy[at]) : 0;
    lane->of[0] += dy;
    lane->of[1] += dy * (((double)x - self->high) - self->low);
}

void NORMD_KERNEL(centered_gradient_sums)(const void *x, const void *dy,
    const normd_geometry *geometry, const normd_tile *tile, const normd_normalizer *gate,
    const void *mean_high, const void *mean_low, const uint8_t *wanted, normd_gradient_sums *sums)
{
    assert(normd_tile_is_valid(geometry, tile));
    const real *high = mean_high, *low = mean_low;
    for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
        if (wanted == NULL || wanted[c] != 0) {
            gradient_gathering self = {
                {add, quantities_add, geometry, c}, x, dy, gate, (double)high[c], (double)low[c]};
            quantities total = gather(&self.base, tile);
            sums[c] = (normd_gradient_sums){total.of[0], total.of[1]};
        }
    }
}
