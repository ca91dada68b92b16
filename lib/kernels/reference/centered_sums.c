// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/double_double.h"
#include "lib/kernels/reference/gather.h"

typedef struct centered_gathering {
    gathering base;
    const element *x;
    const uint8_t *mask;
    double center;
} centered_gathering;

/* The sum goes along with its rounding errors. */
static void add(const gathering *base, quantities *lane, size_t outer, size_t inner)
{
    const centered_gathering *self = (const centered_gathering *)base;
    if (normd_counts(self->mask, base->geometry, outer, inner)) {
        double x = widen(self->x[normd_at(base->geometry, outer, base->channel, inner)]);
        normd_double_double sum = normd_two_sum(lane->of[0], x);
        double centered = x - self->center;
        lane->of[0] = sum.high;
        lane->of[1] += sum.low;
        lane->of[2] += centered * centered;
    }
}

static void merge(quantities *total, const quantities *part)
{
    normd_double_double sum = normd_two_sum(total->of[0], part->of[0]);
    total->of[0] = sum.high;
    total->of[1] = (total->of[1] + part->of[1]) + sum.low;
    total->of[2] += part->of[2];
}

void NORMD_KERNEL(centered_sums)(const void *x, const normd_geometry *geometry,
    const normd_tile *tile, const uint8_t *mask, const void *center, const uint8_t *wanted,
    normd_centered_sums *sums)
{
    assert(normd_tile_is_valid(geometry, tile));
    for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
        if (wanted == NULL || wanted[c] != 0) {
            centered_gathering self = {
                {add, merge, geometry, c}, x, mask, (double)((const real *)center)[c]};
            quantities total = gather(&self.base, tile);
            sums[c] = (normd_centered_sums){total.of[0], total.of[1], total.of[2]};
        }
    }
}
