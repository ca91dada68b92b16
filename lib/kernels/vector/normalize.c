// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/vector/rows_plan.h"

/* y over `count` neighbouring values, each with its own coefficients. */
NORMD_INLINE void normalize_row(const element *x, element *y, size_t count, const element *high,
    const element *low, const element *scale, const element *bias)
{
    size_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH) {
        element_vector centered =
            (vector_load(x + i) - vector_load(high + i)) - vector_load(low + i);
        vector_store(y + i, centered * vector_load(scale + i) + vector_load(bias + i));
    }
    for (; i < count; i++) {
        y[i] = ((x[i] - high[i]) - low[i]) * scale[i] + bias[i];
    }
}

/* y over `count` neighbouring values of one channel. */
NORMD_INLINE void normalize_run(const element *x, element *y, size_t count, element high,
    element low, element scale, element bias)
{
    element_vector highs = vector_of(high), lows = vector_of(low);
    element_vector scales = vector_of(scale), biases = vector_of(bias);
    size_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH) {
        element_vector centered = (vector_load(x + i) - highs) - lows;
        vector_store(y + i, centered * scales + biases);
    }
    for (; i < count; i++) {
        y[i] = ((x[i] - high) - low) * scale + bias;
    }
}

static void normalize_rows(
    const element *x, element *y, const rows_plan *plan, const normd_normalizer *normalizer)
{
    wide_row repeated[4];
    const element *high = rows_plan_coefficients(plan, normalizer->mean_high, repeated[0]);
    const element *low = rows_plan_coefficients(plan, normalizer->mean_low, repeated[1]);
    const element *scale = rows_plan_coefficients(plan, normalizer->scale, repeated[2]);
    const element *bias = rows_plan_coefficients(plan, normalizer->bias, repeated[3]);
    for (size_t r = 0; r < plan->rows; r++) {
        size_t at = plan->begin + r * plan->stride;
        normalize_row(x + at, y + at, rows_plan_width(plan, r), high, low, scale, bias);
    }
}

static void normalize_runs(const element *x, element *y, const normd_geometry *geometry,
    const normd_tile *tile, const normd_normalizer *normalizer)
{
    const element *high = normalizer->mean_high, *low = normalizer->mean_low;
    const element *scale = normalizer->scale, *bias = normalizer->bias;
    for (size_t o = tile->outer_begin; o < tile->outer_end; o++) {
        for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
            size_t at = normd_at(geometry, o, c, 0);
            normalize_run(x + at, y + at, geometry->inner, high[c], low[c], scale[c], bias[c]);
        }
    }
}

void NORMD_KERNEL(normalize)(const void *x, void *y, const normd_geometry *geometry,
    const normd_tile *tile, const normd_normalizer *normalizer)
{
    assert(normd_tile_is_valid(geometry, tile));
    if (geometry->inner == 1) {
        rows_plan plan = rows_plan_of(geometry, tile, true);
        normalize_rows(x, y, &plan, normalizer);
    } else {
        normalize_runs(x, y, geometry, tile, normalizer);
    }
}
