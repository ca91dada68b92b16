// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_VECTOR_ROWS_PLAN_H
#define NORMD_KERNELS_VECTOR_ROWS_PLAN_H

#include "lib/kernels/vector/vector.h"

/*
 * How the element-wise kernels go over a tile with inner = 1: row by row, with a vector of
 * coefficients along each row. Rows of few channels would leave most of a vector unused. Where a
 * tile has all channels its rows follow each other without a gap, so many of them are taken as one
 * wide row, and the coefficients are repeated to fit.
 */
enum { WIDE_ROW = 256, FEW_CHANNELS = 64 };

typedef element wide_row[WIDE_ROW];

typedef struct rows_plan {
    size_t begin; /* of the first row, in elements */
    size_t rows, stride, width;
    size_t last_width; /* of the last row */
    size_t channel_begin, channels;
} rows_plan;

static inline rows_plan rows_plan_of(
    const normd_geometry *geometry, const normd_tile *tile, bool may_widen)
{
    rows_plan plan = {.rows = tile->outer_end - tile->outer_begin,
        .stride = geometry->channels,
        .channel_begin = tile->channel_begin,
        .channels = tile->channel_end - tile->channel_begin};
    plan.begin = tile->outer_begin * geometry->channels + tile->channel_begin;
    plan.width = plan.last_width = plan.channels;
    if (may_widen && plan.rows > 1 && plan.channels == geometry->channels &&
        plan.channels <= FEW_CHANNELS) {
        size_t values = plan.rows * plan.channels;
        plan.width = plan.stride = WIDE_ROW / plan.channels * plan.channels;
        plan.rows = (values + plan.width - 1) / plan.width;
        plan.last_width = values - (plan.rows - 1) * plan.width;
    }
    return plan;
}

/* The coefficients of a row: those of the tile's channels, or `repeated` filled with them. */
static inline const element *rows_plan_coefficients(
    const rows_plan *plan, const element *all, wide_row repeated)
{
    const element *own = all + plan->channel_begin;
    if (plan->width == plan->channels) {
        return own;
    }
    for (size_t w = 0; w < plan->width; w += plan->channels) {
        memcpy(repeated + w, own, plan->channels * sizeof *own);
    }
    return repeated;
}

static inline size_t rows_plan_width(const rows_plan *plan, size_t row)
{
    return row + 1 < plan->rows ? plan->width : plan->last_width;
}

#endif
