// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/vector/walk.h"

/* Constant 0 is the center. */
NORMD_INLINE void add(
    lane_group *group, int part, const element *x, const element *dy, const narrow_mask *mask)
{
    (void)dy;
    narrow_vector values = load_narrow(x), centers = group->constant[0][part];
    if (mask != NULL) {
        values = narrow_where(*mask, values);
        centers = narrow_where(*mask, centers);
    }
    double_vector value = doubles_of(values), centered = value - doubles_of(centers);
    double_vector before = group->sum[0][part], sum = before + value;
    double_vector value_in_sum = sum - before;
    group->sum[0][part] = sum;
    group->sum[1][part] += (before - (sum - value_in_sum)) + (value - value_in_sum);
    group->sum[2][part] += centered * centered;
}

void NORMD_KERNEL(centered_sums)(const void *x, const normd_geometry *geometry,
    const normd_tile *tile, const uint8_t *mask, const void *center, const uint8_t *wanted,
    normd_centered_sums *sums)
{
    assert(normd_tile_is_valid(geometry, tile));
    if (is_for_reference(geometry, mask)) {
        NORMD_REFERENCE_KERNEL(centered_sums)(x, geometry, tile, mask, center, wanted, sums);
        return;
    }
    lane_strip strip;
    strip_open(&strip, x, NULL, mask, geometry, tile);
    while (strip_next(&strip, wanted)) {
        strip_set_constant(&strip, 0, center);
        strip_sum((summation){.sums = 3, .constants = 1, .error_free = true, .add = add}, &strip);
        for (size_t i = 0; i < strip.channels; i++) {
            size_t c = strip.channel_begin + i;
            if (is_wanted(wanted, c)) {
                sums[c] =
                    (normd_centered_sums){strip.total[0][i], strip.total[1][i], strip.total[2][i]};
            }
        }
    }
}
