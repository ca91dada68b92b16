// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/vector/pieces.h"

/* What there is to be done besides y = ((x - high) - low) * scale + bias; always a constant, so that
   each combination is a loop of its own. */
typedef struct normalize_way {
    bool relu, streamed;
} normalize_way;

/* The coefficients of a piece: one value of each, or vectors along it. */
typedef struct piece_coefficients {
    const real *high, *low, *scale, *bias;
} piece_coefficients;

typedef struct vector_coefficients {
    real_vector high, low, scale, bias;
} vector_coefficients;

/* `count` values, one by one; `step` is 1 where the coefficients lie along them, else 0. */
static __attribute__((noinline)) void normalize_few(
    const element *x, element *y, size_t count, piece_coefficients by, size_t step, bool relu)
{
    for (size_t i = 0; i < count; i++) {
        size_t c = i * step;
        real value = ((widen(x[i]) - by.high[c]) - by.low[c]) * by.scale[c] + by.bias[c];
        y[i] = narrow(relu && value < 0 ? 0 : value);
    }
}

NORMD_INLINE void normalize_vector(
    normalize_way way, const element *x, element *y, vector_coefficients by)
{
    real_vector value = ((load(x) - by.high) - by.low) * by.scale + by.bias;
    value = way.relu ? real_where(~(value < 0), value) : value;
    if (way.streamed) {
        store_streamed(y, value);
    } else {
        store(y, value);
    }
}

NORMD_INLINE vector_coefficients vectors_along(piece_coefficients by, size_t i)
{
    return (vector_coefficients){load_reals(by.high + i), load_reals(by.low + i),
        load_reals(by.scale + i), load_reals(by.bias + i)};
}

/* y over `count` neighbouring values. With `along`, each has coefficients of its own. */
NORMD_INLINE void normalize_piece(normalize_way way, bool along, const element *x, element *y,
    size_t count, piece_coefficients by)
{
    size_t head = way.streamed ? stores_head(y, count) : 0;
    if (head > 0) {
        normalize_few(x, y, head, by, along, way.relu);
    }
    vector_coefficients same = {real_vector_of(by.high[0]), real_vector_of(by.low[0]),
        real_vector_of(by.scale[0]), real_vector_of(by.bias[0])};
    size_t i = head;
    for (; i + WIDTH <= count; i += WIDTH) {
        normalize_vector(way, x + i, y + i, along ? vectors_along(by, i) : same);
    }
    if (i < count) {
        size_t at = along ? i : 0;
        by = (piece_coefficients){by.high + at, by.low + at, by.scale + at, by.bias + at};
        normalize_few(x + i, y + i, count - i, by, along, way.relu);
    }
}

typedef struct normalize_job {
    const element *x;
    element *y;
    const normd_geometry *geometry;
    const normd_tile *tile;
    const normd_normalizer *normalizer;
} normalize_job;

NORMD_INLINE void normalize_runs(normalize_way way, const normalize_job *job)
{
    const normd_tile *tile = job->tile;
    const real *high = job->normalizer->mean_high, *low = job->normalizer->mean_low;
    const real *scale = job->normalizer->scale, *bias = job->normalizer->bias;
    size_t length = tile->inner_end - tile->inner_begin;
    for (size_t o = tile->outer_begin; o < tile->outer_end; o++) {
        for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
            size_t at = normd_at(job->geometry, o, c, tile->inner_begin);
            piece_coefficients by = {high + c, low + c, scale + c, bias + c};
            normalize_piece(way, false, job->x + at, job->y + at, length, by);
        }
    }
}

NORMD_INLINE void normalize_rows(normalize_way way, const normalize_job *job)
{
    row_coefficients room;
    const normd_tile *tile = job->tile;
    size_t most = rows_plan_most(job->geometry);
    for (size_t c = tile->channel_begin; c < tile->channel_end; c += most) {
        size_t end = tile->channel_end - c < most ? tile->channel_end : c + most;
        rows_plan plan = rows_plan_of(job->geometry, tile, c, end, true);
        piece_coefficients by = {
            rows_plan_coefficient(&plan, job->normalizer->mean_high, &room, 0),
            rows_plan_coefficient(&plan, job->normalizer->mean_low, &room, 1),
            rows_plan_coefficient(&plan, job->normalizer->scale, &room, 2),
            rows_plan_coefficient(&plan, job->normalizer->bias, &room, 3),
        };
        for (size_t r = 0; r < plan.rows; r++) {
            size_t at = plan.begin + r * plan.stride;
            normalize_piece(
                way, true, job->x + at, job->y + at, rows_plan_width(&plan, r), by);
        }
    }
}

NORMD_INLINE void normalize_way_of(normalize_way way, const normalize_job *job)
{
    if (normd_order_is_rows(job->geometry)) {
        normalize_rows(way, job);
    } else {
        normalize_runs(way, job);
    }
}

void NORMD_KERNEL(normalize)(const void *x, void *y, const normd_geometry *geometry,
    const normd_tile *tile, const normd_normalizer *normalizer, normd_stores stores)
{
    assert(normd_tile_is_valid(geometry, tile));
    const normalize_job job = {x, y, geometry, tile, normalizer};
    bool streamed = stores == NORMD_STORES_STREAMED;
    if (normalizer->relu && streamed) {
        normalize_way_of((normalize_way){true, true}, &job);
    } else if (normalizer->relu) {
        normalize_way_of((normalize_way){true, false}, &job);
    } else if (streamed) {
        normalize_way_of((normalize_way){false, true}, &job);
    } else {
        normalize_way_of((normalize_way){false, false}, &job);
    }
    if (stores == NORMD_STORES_STREAMED) {
        streamed_stores_end();
    }
}
