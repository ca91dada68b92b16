// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/vector/gradients.h"

NORMD_INLINE void add(
    lane_group *group, int part, const element *x, const element *dy, const narrow_mask *mask)
{
    add_gradient(false, false, group, part, x, dy, mask);
}

NORMD_INLINE void add_gated(
    lane_group *group, int part, const element *x, const element *dy, const narrow_mask *mask)
{
    add_gradient(false, true, group, part, x, dy, mask);
}

void NORMD_KERNEL(gradient_sums)(const void *x, const void *dy, const normd_geometry *geometry,
    const normd_tile *tile, const normd_normalizer *gate, normd_gradient_sums *sums)
{
    assert(normd_tile_is_valid(geometry, tile));
    const summation plain = {.sums = 2, .constants = 0, .reads_dy = true, .add = add};
    const summation with_gate = {
        .sums = 2, .constants = GATE_CONSTANTS, .reads_dy = true, .add = add_gated};
    lane_strip strip;
    strip_open(&strip, x, dy, NULL, geometry, tile);
    sum_gradients(false, plain, with_gate, &strip, NULL, NULL, gate, NULL, sums);
}
