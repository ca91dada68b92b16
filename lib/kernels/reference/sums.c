// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/reference/gather.h"

typedef struct sums_gathering {
    gathering base;
    const element *x;
    const uint8_t *mask;
} sums_gathering;

/* The square of a float has 48 bits, so it is a double without rounding. */
static void add(const gathering *base, quantities *lane, size_t outer, size_t inner)
{
    const sums_gathering *self = (const sums_gathering *)base;
    if (normd_counts(self->mask, base->geometry, outer, inner)) {
        double x = widen(self->x[normd_at(base->geometry, outer, base->channel, inner)]);
        lane->of[0] += x;
        lane->of[1] += x * x;
    }
}

void NORMD_KERNEL(sums)(const void *x, const normd_geometry *geometry, const normd_tile *tile,
    const uint8_t *mask, normd_sums *sums)
{
    assert(normd_tile_is_valid(geometry, tile));
    for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
        sums_gathering self = {{add, quantities_add, geometry, c}, x, mask};
        quantities total = gather(&self.base, tile);
        sums[c] = (normd_sums){total.of[0], total.of[1]};
    }
}
