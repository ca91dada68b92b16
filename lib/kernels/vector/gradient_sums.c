// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/vector/gate.h"
#include "lib/kernels/vector/walk.h"

NORMD_INLINE void add_gated(lane_group *group, int part, const element *x, const element *dy,
    const narrow_mask *mask, bool has_gate)
{
    narrow_vector value = load_narrow(x), gradient = load_narrow(dy);
    if (has_gate) {
        gradient = gated(group, part, 0, value, gradient);
    }
    if (mask != NULL) {
        value = narrow_where(*mask, value);
        gradient = narrow_where(*mask, gradient);
    }
    double_vector wide = doubles_of(gradient);
    group->sum[0][part] += wide;
    group->sum[1][part] = add_product(group->sum[1][part], wide, doubles_of(value));
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

void NORMD_KERNEL(gradient_sums)(const void *x, const void *dy, const normd_geometry *geometry,
    const normd_tile *tile, const normd_normalizer *gate, normd_gradient_sums *sums)
{
    assert(normd_tile_is_valid(geometry, tile));
    lane_strip strip;
    strip.x = x;
    strip.dy = dy;
    strip.mask = NULL;
    strip.geometry = geometry;
    strip.tile = tile;
    for (size_t c = tile->channel_begin; c < tile->channel_end; c += strip.channels) {
        strip_begin(&strip, c, tile->channel_end);
        if (gate == NULL) {
            strip_sum((summation){.sums = 2, .reads_dy = true, .add = add_plain}, &strip);
        } else {
            strip_set_gate(&strip, 0, gate);
            strip_sum(
                (summation){.sums = 2, .constants = 4, .reads_dy = true, .add = add_with_relu},
                &strip);
        }
        for (size_t i = 0; i < strip.channels; i++) {
            sums[c + i] = (normd_gradient_sums){strip.total[0][i], strip.total[1][i]};
        }
    }
}
