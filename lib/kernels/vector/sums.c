// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/vector/walk.h"

NORMD_INLINE void add(
    lane_group *group, int part, const element *x, const element *dy, const narrow_mask *mask)
{
    (void)dy;
    narrow_vector values = load_narrow(x);
    double_vector value = doubles_of(mask != NULL ? narrow_where(*mask, values) : values);
    group->sum[0][part] += value;
    group->sum[1][part] = add_product(group->sum[1][part], value, value);
}

void NORMD_KERNEL(sums)(const void *x, const normd_geometry *geometry, const normd_tile *tile,
    const uint8_t *mask, normd_sums *sums)
{
    assert(normd_tile_is_valid(geometry, tile));
    if (is_for_reference(geometry, mask)) {
        NORMD_REFERENCE_KERNEL(sums)(x, geometry, tile, mask, sums);
        return;
    }
    lane_strip strip;
    strip_open(&strip, x, NULL, mask, geometry, tile);
    while (strip_next(&strip, NULL)) {
        strip_sum((summation){.sums = 2, .add = add}, &strip);
        for (size_t i = 0; i < strip.channels; i++) {
            sums[strip.channel_begin + i] = (normd_sums){strip.total[0][i], strip.total[1][i]};
        }
    }
}
