// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/vector/gate.h"
#include "lib/kernels/vector/walk.h"

/* Constants 0 and 1 are the center, the others the gate. */
NORMD_INLINE void add_gated(lane_group *group, int part, const element *x, const element *dy,
    const narrow_mask *mask, bool has_gate)
{
    narrow_vector value = load_narrow(x), gradient = load_narrow(dy);
    narrow_vector high = group->constant[0][part], low = group->constant[1][part];
    if (has_gate) {
        gradient = gated(group, part, 2, value, gradient);
    }
    if (mask != NULL) {
        value = narrow_where(*mask, value);
        high = narrow_where(*mask, high);
        low = narrow_where(*mask, low);
        gradient = narrow_where(*mask, gradient);
    }
    double_vector wide = doubles_of(gradient);
    double_vector centered = (doubles_of(value) - doubles_of(high)) - doubles_of(low);
    group->sum[0][part] += wide;
    group->sum[1][part] += wide * centered;
}

NORMD_INLINE void add_plain(
    lane_group *group, int part, const element *x, const element *dy, const narrow_mask *mask)
{
    add_gated(group, part, x, dy, mask, false);
}

NORMD_INLINE void add_with_relu(
    lane_group *group, int part, const element *x, const element *dy, const narrow_mask *mask)
{
    add_gated(group, part, x, dy, mask, true);
}

void NORMD_KERNEL(centered_gradient_sums)(const void *x, const void *dy,
    const normd_geometry *geometry, const normd_tile *tile, const normd_normalizer *gate,
    const void *mean_high, const void *mean_low, const uint8_t *wanted, normd_gradient_sums *sums)
{
    assert(normd_tile_is_valid(geometry, tile));
    lane_strip strip;
    strip.x = x;
    strip.dy = dy;
    strip.mask = NULL;
    strip.geometry = geometry;
    strip.tile = tile;
    for (size_t c = tile->channel_begin; c < tile->channel_end;) {
        if (wanted != NULL && wanted[c] == 0) {
            c++;
            continue;
        }
        strip_begin(&strip, c, wanted_end(wanted, c, tile->channel_end));
        strip_set_constant(&strip, 0, mean_high);
        strip_set_constant(&strip, 1, mean_low);
        if (gate == NULL) {
            strip_sum(
                (summation){.sums = 2, .constants = 2, .reads_dy = true, .add = add_plain}, &strip);
        } else {
            strip_set_gate(&strip, 2, gate);
            strip_sum(
                (summation){.sums = 2, .constants = 6, .reads_dy = true, .add = add_with_relu},
                &strip);
        }
        for (size_t i = 0; i < strip.channels; i++, c++) {
            if (wanted == NULL || wanted[c] != 0) {
                sums[c] = (normd_gradient_sums){strip.total[0][i], strip.total[1][i]};
            }
        }
    }
}
