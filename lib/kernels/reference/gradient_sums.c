// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/reference/gather.h"

typedef struct gradient_gathering {
    gathering base;
    const element *x, *dy;
    const normd_normalizer *gate;
} gradient_gathering;

/* The product of two floats has 48 bits, so it is a double without rounding. */
static void add(const gathering *base, quantities *lane, size_t outer, size_t inner)
{
    const gradient_gathering *self = (const gradient_gathering *)base;
    size_t at = normd_at(base->geometry, outer, base->channel, inner);
    real x = widen(self->x[at]);
    double dy = normd_passes(x, self->gate, base->channel) ? widen(self->dy[at]) : 0;
    lane->of[0] += dy;
    lane->of[1] += dy * (double)x;
}

void NORMD_KERNEL(gradient_sums)(const void *x, const void *dy, const normd_geometry *geometry,
    const normd_tile *tile, const normd_normalizer *gate, normd_gradient_sums *sums)
{
    assert(normd_tile_is_valid(geometry, tile));
    for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
        gradient_gathering self = {{add, quantities_add, geometry, c}, x, dy, gate};
        quantities total = gather(&self.base, tile);
        sums[c] = (normd_gradient_sums){total.of[0], total.of[1]};
    }
}
