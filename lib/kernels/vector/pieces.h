// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_VECTOR_PIECES_H
#define NORMD_KERNELS_VECTOR_PIECES_H

#include "lib/kernels/vector/vector.h"

/*
 * How the element-wise kernels go over a tile. A piece is some neighbouring values: with runs, of
 * one channel, with one value of each coefficient; with rows, a part of a row, with a vector of
 * coefficients along it. Rows that are short would leave most of a vector unused: where a tile has
 * all channels, its rows follow each other without a gap, and many of them make up one wide row.
 */
enum {
    WIDE_ROW = 1024,     /* most reals in a vector of coefficients */
    MOST_COEFFICIENTS = 9,
    FEW_VALUES = 64, /* rows of so many values are taken together */
};

/* Coefficients along a row, repeated as the row's values want them. */
typedef struct row_coefficients {
    real of[MOST_COEFFICIENTS][WIDE_ROW];
} row_coefficients;

typedef struct rows_plan {
    size_t begin; /* of the first row, in elements */
    size_t rows, stride, width;
    size_t last_width; /* of the last row */
    size_t channel_begin;
    size_t parts; /* values of a channel in a row */
    size_t own;   /* values after which the coefficients repeat */
} rows_plan;

/* The channels [begin, end) of the tile, which has rows; `may_widen` allows wide rows. */
static inline rows_plan rows_plan_of(
    const normd_geometry *geometry, const normd_tile *tile, size_t begin, size_t end, bool may_widen)
{
    size_t all = geometry->channels * geometry->inner;
    rows_plan plan = {.rows = tile->outer_end - tile->outer_begin,
        .stride = all,
        .channel_begin = begin,
        .parts = geometry->inner};
    plan.begin = tile->outer_begin * all + begin * geometry->inner;
    plan.width = plan.last_width = plan.own = (end - begin) * geometry->inner;
    if (may_widen && plan.width == all && all <= FEW_VALUES && plan.rows > 1) {
        size_t values = plan.rows * all;
        plan.width = plan.stride = WIDE_ROW / all * all;
        plan.rows = (values + plan.width - 1) / plan.width;
        plan.last_width = values - (plan.rows - 1) * plan.width;
    }
    return plan;
}

/* Channels of a tile that a rows_plan can take at once. */
static inline size_t rows_plan_most(const normd_geometry *geometry)
{
    return WIDE_ROW / geometry->inner;
}

static inline size_t rows_plan_width(const rows_plan *plan, size_t row)
{
    return row + 1 < plan->rows ? plan->width : plan->last_width;
}

/* Coefficient k along the plan's rows: where the channels' own vector will do, that, else a copy in
   `room`. NULL, for one that is not used, stays NULL. */
static inline const real *rows_plan_coefficient(
    const rows_plan *plan, const void *all, row_coefficients *room, int k)
{
    if (all == NULL) {
        return NULL;
    }
    const real *own = (const real *)all + plan->channel_begin;
    if (plan->parts == 1 && plan->width == plan->own) {
        return own;
    }
    real *to = room->of[k];
    for (size_t w = 0; w < plan->own; w++) {
        to[w] = own[w / plan->parts];
    }
    for (size_t w = plan->own; w < plan->width; w++) {
        to[w] = to[w - plan->own];
    }
    return to;
}

/* Values before the first one at which a streamed store may begin; at most `count`. */
static inline size_t stores_head(const element *to, size_t count)
{
    size_t over = (size_t)((uintptr_t)to % STORE_BYTES) / sizeof(element);
    size_t head = over == 0 ? 0 : (size_t)WIDTH - over;
    /* Elements that are not aligned by themselves can never be streamed. */
    return (uintptr_t)to % sizeof(element) != 0 || head > count ? count : head;
}

#endif
