// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_VECTOR_GRADIENTS_H
#define NORMD_KERNELS_VECTOR_GRADIENTS_H

#include "lib/kernels/vector/walk.h"

/* What the two sums of backward have in common, about a center or not. */

/* The center's constants are 0 and 1, where there is one; those of a fused ReLU's gate follow. */
enum { CENTER_CONSTANTS = 2, GATE_CONSTANTS = 4 };

/* dy where a fused ReLU lets it pass, 0 elsewhere: y is computed as normalize does. */
NORMD_INLINE narrow_vector gated(
    const lane_group *group, int part, int first, narrow_vector x, narrow_vector dy)
{
    narrow_vector high = group->constant[first][part], low = group->constant[first + 1][part];
    narrow_vector scale = group->constant[first + 2][part], bias = group->constant[first + 3][part];
    narrow_vector y = ((x - high) - low) * scale + bias;
    return narrow_where(~(y <= 0), dy);
}

NORMD_INLINE void add_gradient(bool centered, bool has_gate, lane_group *group, int part,
    const element *x, const element *dy, const narrow_mask *mask)
{
    narrow_vector value = load_narrow(x), gradient = load_narrow(dy), high = {0}, low = {0};
    if (has_gate) {
        gradient = gated(group, part, centered ? CENTER_CONSTANTS : 0, value, gradient);
    }
    if (centered) {
        high = group->constant[0][part];
        low = group->constant[1][part];
    }
    if (mask != NULL) {
        value = narrow_where(*mask, value);
        high = narrow_where(*mask, high);
        low = narrow_where(*mask, low);
        gradient = narrow_where(*mask, gradient);
    }
    double_vector wide = doubles_of(gradient), x_wide = doubles_of(value);
    group->sum[0][part] += wide;
    if (centered) {
        group->sum[1][part] += wide * ((x_wide - doubles_of(high)) - doubles_of(low));
    } else {
        group->sum[1][part] = add_product(group->sum[1][part], wide, x_wide);
    }
}

/* The sums of the strip as it is open: with `plain`, or with `with_gate` where there is one. */
NORMD_INLINE void sum_gradients(bool centered, summation plain, summation with_gate,
    lane_strip *strip, const void *mean_high, const void *mean_low, const normd_normalizer *gate,
    const uint8_t *wanted, normd_gradient_sums *sums)
{
    while (strip_next(strip, wanted)) {
        if (centered) {
            strip_set_constant(strip, 0, mean_high);
            strip_set_constant(strip, 1, mean_low);
        }
        if (gate == NULL) {
            strip_sum(plain, strip);
        } else {
            strip_set_gate(strip, centered ? CENTER_CONSTANTS : 0, gate);
            strip_sum(with_gate, strip);
        }
        for (size_t i = 0; i < strip->channels; i++) {
            size_t c = strip->channel_begin + i;
            if (is_wanted(wanted, c)) {
                sums[c] = (normd_gradient_sums){strip->total[0][i], strip->total[1][i]};
            }
        }
    }
}

#endif
