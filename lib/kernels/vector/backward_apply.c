// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/vector/rows_plan.h"

/* The coefficients of neighbouring channels. */
typedef struct coefficients {
    const element *high, *low, *mean_dy, *slope, *scale;
} coefficients;

/* dx over `count` neighbouring values, each with its own coefficients. */
NORMD_INLINE void project_row(
    const element *x, const element *dy, element *dx, size_t count, const coefficients *of)
{
    const element *high = of->high, *low = of->low, *mean_dy = of->mean_dy;
    const element *slope = of->slope, *scale = of->scale;
    size_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH) {
        element_vector centered =
            (vector_load(x + i) - vector_load(high + i)) - vector_load(low + i);
        element_vector projected =
            (vector_load(dy + i) - vector_load(mean_dy + i)) - centered * vector_load(slope + i);
        vector_store(dx + i, projected * vector_load(scale + i));
    }
    for (; i < count; i++) {
        element centered = (x[i] - high[i]) - low[i];
        dx[i] = ((dy[i] - mean_dy[i]) - centered * slope[i]) * scale[i];
    }
}

/* A row that took no part in the statistics. */
NORMD_INLINE void scale_row(const element *dy, element *dx, size_t count, const coefficients *of)
{
    const element *scale = of->scale;
    for (size_t i = 0; i < count; i++) {
        dx[i] = dy[i] * scale[i];
    }
}

/* dx over `count` neighbouring values of the channel that the coefficients begin with. */
NORMD_INLINE void project_run(
    const element *x, const element *dy, element *dx, size_t count, const coefficients *of)
{
    element high = *of->high, low = *of->low, mean_dy = *of->mean_dy;
    element slope = *of->slope, scale = *of->scale;
    element_vector highs = vector_of(high), lows = vector_of(low), means = vector_of(mean_dy);
    element_vector slopes = vector_of(slope), scales = vector_of(scale);
    size_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH) {
        element_vector centered = (vector_load(x + i) - highs) - lows;
        element_vector projected = (vector_load(dy + i) - means) - centered * slopes;
        vector_store(dx + i, projected * scales);
    }
    for (; i < count; i++) {
        element centered = (x[i] - high) - low;
        dx[i] = ((dy[i] - mean_dy) - centered * slope) * scale;
    }
}

static void project_rows(const element *x, const element *dy, element *dx, const rows_plan *plan,
    const uint8_t *row_mask, const normd_backprojector *backprojector)
{
    wide_row repeated[5];
    coefficients of = {
        rows_plan_coefficients(plan, backprojector->mean_high, repeated[0]),
        rows_plan_coefficients(plan, backprojector->mean_low, repeated[1]),
        rows_plan_coefficients(plan, backprojector->mean_dy, repeated[2]),
        rows_plan_coefficients(plan, backprojector->slope, repeated[3]),
        rows_plan_coefficients(plan, backprojector->scale, repeated[4]),
    };
    for (size_t r = 0; r < plan->rows; r++) {
        size_t at = plan->begin + r * plan->stride;
        size_t width = rows_plan_width(plan, r);
        if (row_mask == NULL || row_mask[r] != 0) {
            project_row(x + at, dy + at, dx + at, width, &of);
        } else {
            scale_row(dy + at, dx + at, width, &of);
        }
    }
}

static void project_runs(const element *x, const element *dy, element *dx,
    const normd_geometry *geometry, const normd_tile *tile,
    const normd_backprojector *backprojector)
{
    const element *high = backprojector->mean_high, *low = backprojector->mean_low;
    const element *mean_dy = backprojector->mean_dy, *slope = backprojector->slope;
    const element *scale = backprojector->scale;
    for (size_t o = tile->outer_begin; o < tile->outer_end; o++) {
        for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
            size_t at = normd_at(geometry, o, c, 0);
            coefficients of = {high + c, low + c, mean_dy + c, slope + c, scale + c};
            project_run(x + at, dy + at, dx + at, geometry->inner, &of);
        }
    }
}

void NORMD_KERNEL(backward_apply)(const void *x, const void *dy, void *dx,
    const normd_geometry *geometry, const normd_tile *tile, const uint8_t *mask,
    const normd_backprojector *backprojector)
{
    assert(normd_tile_is_valid(geometry, tile));
    if (geometry->inner == 1) {
        rows_plan plan = rows_plan_of(geometry, tile, mask == NULL);
        const uint8_t *row_mask = mask == NULL ? NULL : mask + tile->outer_begin;
        project_rows(x, dy, dx, &plan, row_mask, backprojector);
    } else if (mask == NULL) {
        project_runs(x, dy, dx, geometry, tile, backprojector);
    } else {
        NORMD_REFERENCE_KERNEL(backward_apply)(x, dy, dx, geometry, tile, mask, backprojector);
    }
}
