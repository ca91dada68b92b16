// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_VECTOR_ELEMENTWISE_H
#define NORMD_KERNELS_VECTOR_ELEMENTWISE_H

#include "lib/kernels/vector/vector.h"

/*
 * How the element-wise kernels go over a tile: in stretches of neighbouring values.
 *
 * With rows, a stretch is a part of a row, with a vector of coefficients along it. Rows that are
 * short would leave most of a vector unused: where a tile has all channels, its rows follow each
 * other without a gap, and many of them make up one wide row.
 *
 * With runs, a stretch is the runs of the tile's channels in one row, with coefficients that change
 * from run to run. A vector that reaches over the end of a run takes each lane's own.
 */
enum {
    MOST_COEFFICIENTS = 9,
    WIDE_ROW = 1024,              /* most reals in a vector of coefficients */
    UNIT = 16,                    /* a multiple of each vector's width */
    FEW_VALUES = WIDE_ROW / UNIT, /* rows of so many values make up wide ones */
};

typedef struct elementwise_job {
    const element *x, *dy; /* dy may be NULL */
    element *out;
    const uint8_t *mask; /* or NULL */
    const normd_geometry *geometry;
    const normd_tile *tile;
    /* C values each; those that the operation does not use may be NULL. */
    const real *coefficient[MOST_COEFFICIENTS];
} elementwise_job;

/* An operation. Always a constant, so that all of it becomes part of the loops. */
typedef struct elementwise {
    int coefficients;
    bool streamed;
    int way; /* what the functions below make of it is up to them */
    /* A vector of values, from index `at` of the arrays on. `mask` (or NULL) has a byte for each.
     */
    void (*vector)(int way, bool streamed, const elementwise_job *job, size_t at,
        const real_vector *by, const uint8_t *mask);
    /* `count` values, one by one; value i has the coefficients by[k][i * step]. */
    void (*few)(int way, const elementwise_job *job, size_t at, size_t count, const real *const *by,
        size_t step, const uint8_t *mask);
} elementwise;

/* Whether to stream: elements that are not aligned by themselves cannot be. */
static inline bool is_streamed(normd_stores stores, const void *to)
{
    return stores == NORMD_STORES_STREAMED && (uintptr_t)to % sizeof(element) == 0;
}

/* Values before the first one at which a streamed store may begin; at most `count`. */
static inline size_t stores_head(const element *to, size_t count)
{
    size_t over = (size_t)((uintptr_t)to % STORE_BYTES) / sizeof(element);
    size_t head = over == 0 ? 0 : (size_t)WIDTH - over;
    return head > count ? count : head;
}

/* `count` values from `at` on, with coefficients along them or the same for all. */
NORMD_INLINE void stretch(elementwise op, bool along, const elementwise_job *job, size_t at,
    size_t count, const real *const *by, const uint8_t *mask)
{
    size_t i = op.streamed ? stores_head(job->out + at, count) : 0;
    real_vector vectors[MOST_COEFFICIENTS];
    if (i > 0) {
        op.few(op.way, job, at, i, by, along, mask);
    }
    for (int k = 0; !along && k < op.coefficients; k++) {
        vectors[k] = real_vector_of(by[k][0]);
    }
    for (; i + WIDTH <= count; i += WIDTH) {
        for (int k = 0; along && k < op.coefficients; k++) {
            vectors[k] = load_reals(by[k] + i);
        }
        op.vector(op.way, op.streamed, job, at + i, vectors, mask != NULL ? mask + i : NULL);
    }
    if (i < count) {
        const real *rest[MOST_COEFFICIENTS] = {NULL};
        for (int k = 0; k < op.coefficients; k++) {
            rest[k] = by[k] + (along ? i : 0);
        }
        op.few(op.way, job, at + i, count - i, rest, along, mask != NULL ? mask + i : NULL);
    }
}

typedef struct rows_plan {
    size_t begin; /* of the first row, in elements */
    size_t rows, stride, width;
    size_t last_width; /* of the last row */
    size_t own;        /* values after which the coefficients repeat */
} rows_plan;

/* The channels [begin, end) of a tile of rows. */
static inline rows_plan rows_plan_of(const elementwise_job *job, size_t begin, size_t end)
{
    size_t parts = job->geometry->inner, all = job->geometry->channels * parts;
    rows_plan plan = {.rows = job->tile->outer_end - job->tile->outer_begin, .stride = all};
    plan.begin = job->tile->outer_begin * all + begin * parts;
    plan.width = plan.last_width = plan.own = (end - begin) * parts;
    if (job->mask == NULL && plan.width == all && all <= FEW_VALUES && plan.rows > 1) {
        size_t values = plan.rows * all;
        /* Whole vectors: `all` is at most WIDE_ROW / UNIT. */
        plan.width = plan.stride = WIDE_ROW / (all * UNIT) * (all * UNIT);
        plan.rows = (values + plan.width - 1) / plan.width;
        plan.last_width = values - (plan.rows - 1) * plan.width;
    }
    return plan;
}

/* The coefficients along the plan's rows: where the channels' own vector will do, that, else a copy
   in `room`. */
static inline const real *rows_plan_coefficient(
    const rows_plan *plan, const real *own, size_t parts, real *room)
{
    if (parts == 1 && plan->width == plan->own) {
        return own;
    }
    for (size_t w = 0; w < plan->own; w++) {
        room[w] = own[w / parts];
    }
    for (size_t w = plan->own; w < plan->width; w++) {
        room[w] = room[w - plan->own];
    }
    return room;
}

/* A tile of rows. Where a row does not count, `masked` takes the place of the operation. */
NORMD_INLINE void elementwise_rows(elementwise op, elementwise masked, const elementwise_job *job)
{
    /* A unit more, or all vectors would begin in the same set of a cache. */
    real room[MOST_COEFFICIENTS][WIDE_ROW + UNIT];
    const normd_tile *tile = job->tile;
    size_t parts = job->geometry->inner, most = WIDE_ROW / parts;
    for (size_t c = tile->channel_begin; c < tile->channel_end; c += most) {
        size_t end = tile->channel_end - c < most ? tile->channel_end : c + most;
        rows_plan plan = rows_plan_of(job, c, end);
        const real *by[MOST_COEFFICIENTS] = {NULL};
        for (int k = 0; k < op.coefficients; k++) {
            by[k] = rows_plan_coefficient(&plan, job->coefficient[k] + c, parts, room[k]);
        }
        for (size_t r = 0; r < plan.rows; r++) {
            size_t at = plan.begin + r * plan.stride;
            size_t width = r + 1 < plan.rows ? plan.width : plan.last_width;
            if (job->mask != NULL && job->mask[tile->outer_begin + r] == 0) {
                stretch(masked, true, job, at, width, by, NULL);
            } else {
                stretch(op, true, job, at, width, by, NULL);
            }
        }
    }
}

/* The lanes' places in a vector. */
NORMD_INLINE real_mask lane_numbers(void)
{
    real_mask numbers;
    for (int l = 0; l < WIDTH; l++) {
        numbers[l] = l;
    }
    return numbers;
}

/* The runs of the tile's channels in one row, from index `at` on, `count` values in all. A run has
   at least as many values as a vector, so a vector reaches over the end of one run at most. */
NORMD_INLINE void stretch_of_runs(
    elementwise op, const elementwise_job *job, size_t at, size_t count)
{
    size_t inner = job->geometry->inner, c = job->tile->channel_begin, run_end = inner;
    size_t i = op.streamed ? stores_head(job->out + at, count) : 0;
    const real_mask numbers = lane_numbers();
    const real *by[MOST_COEFFICIENTS] = {NULL};
    real_vector vectors[MOST_COEFFICIENTS], next[MOST_COEFFICIENTS], mixed[MOST_COEFFICIENTS];
    for (int k = 0; k < op.coefficients; k++) {
        by[k] = job->coefficient[k] + c;
        vectors[k] = real_vector_of(by[k][0]);
    }
    if (i > 0) {
        op.few(op.way, job, at, i, by, 0, NULL);
    }
    while (run_end < count) {
        for (; i + WIDTH <= run_end; i += WIDTH) {
            op.vector(op.way, op.streamed, job, at + i, vectors, NULL);
        }
        c++;
        for (int k = 0; k < op.coefficients; k++) {
            by[k] = job->coefficient[k] + c;
            next[k] = real_vector_of(by[k][0]);
        }
        if (i < run_end && i + WIDTH <= count) {
            real_mask own = numbers < (real_mask_lane)(run_end - i);
            for (int k = 0; k < op.coefficients; k++) {
                mixed[k] = real_select(own, vectors[k], next[k]);
            }
            op.vector(op.way, op.streamed, job, at + i, mixed, NULL);
            i += WIDTH;
        }
        for (int k = 0; k < op.coefficients; k++) {
            vectors[k] = next[k];
        }
        run_end += inner;
    }
    for (; i + WIDTH <= count; i += WIDTH) {
        op.vector(op.way, op.streamed, job, at + i, vectors, NULL);
    }
    if (i < count) {
        op.few(op.way, job, at + i, count - i, by, 0, NULL);
    }
}

/* A tile of runs, run by run: with a mask, or pieces of runs. */
NORMD_INLINE void elementwise_single_runs(elementwise op, const elementwise_job *job)
{
    const normd_tile *tile = job->tile;
    size_t length = tile->inner_end - tile->inner_begin, inner = job->geometry->inner;
    for (size_t o = tile->outer_begin; o < tile->outer_end; o++) {
        const uint8_t *mask = job->mask != NULL ? job->mask + o * inner + tile->inner_begin : NULL;
        for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
            const real *by[MOST_COEFFICIENTS] = {NULL};
            for (int k = 0; k < op.coefficients; k++) {
                by[k] = job->coefficient[k] + c;
            }
            size_t at = normd_at(job->geometry, o, c, tile->inner_begin);
            stretch(op, false, job, at, length, by, mask);
        }
    }
}

NORMD_INLINE void elementwise_runs(elementwise op, const elementwise_job *job)
{
    const normd_tile *tile = job->tile;
    size_t length = tile->inner_end - tile->inner_begin;
    size_t channels = tile->channel_end - tile->channel_begin;
    if (job->mask != NULL || length < job->geometry->inner || channels <= 1) {
        elementwise_single_runs(op, job);
        return;
    }
    for (size_t o = tile->outer_begin; o < tile->outer_end; o++) {
        stretch_of_runs(op, job, normd_at(job->geometry, o, tile->channel_begin, 0),
            channels * job->geometry->inner);
    }
}

/* The whole tile. `masked`: see elementwise_rows; with runs the operation is given the mask. */
NORMD_INLINE void elementwise_tile(elementwise op, elementwise masked, const elementwise_job *job)
{
    if (normd_order_is_rows(job->geometry)) {
        elementwise_rows(op, masked, job);
    } else {
        elementwise_runs(op, job);
    }
    if (op.streamed) {
        streamed_stores_end();
    }
}

NORMD_INLINE void put(bool streamed, element *to, real_vector vector)
{
    if (streamed) {
        store_streamed(to, vector);
    } else {
        store(to, vector);
    }
}

#endif
