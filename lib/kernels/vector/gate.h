// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_VECTOR_GATE_H
#define NORMD_KERNELS_VECTOR_GATE_H

#include "lib/kernels/vector/strip.h"

/* dy where a fused ReLU lets it pass, 0 elsewhere: y is computed as normalize does, with the
   constants from `first` on (strip_set_gate). */
NORMD_INLINE narrow_vector gated(
    const lane_group *group, int part, int first, narrow_vector x, narrow_vector dy)
{
    narrow_vector high = group->constant[first][part], low = group->constant[first + 1][part];
    narrow_vector scale = group->constant[first + 2][part], bias = group->constant[first + 3][part];
    narrow_vector y = ((x - high) - low) * scale + bias;
    return narrow_where(~(y <= 0), dy);
}

#endif
