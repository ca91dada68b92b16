// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/vector/pieces.h"

/* What there is to be done besides dx = dy * scale; always a constant. */
typedef struct backward_way {
    bool projects; /* training: mean_dy and slope */
    bool gate;
    bool streamed;
} backward_way;

/* The coefficients, in the order in which they stand everywhere here. */
enum coefficient { HIGH, LOW, MEAN_DY, SLOPE, SCALE, GATE_HIGH, GATE_LOW, GATE_SCALE, GATE_BIAS };
enum { COUNT = GATE_BIAS + 1 };
_Static_assert((int)COUNT == (int)MOST_COEFFICIENTS, "room for all");

typedef struct vector_coefficients {
    real_vector of[COUNT];
} vector_coefficients;

/* Of a piece: one value of each, or vectors along it. Never NULL. */
typedef struct piece_coefficients {
    const real *of[COUNT];
} piece_coefficients;

NORMD_INLINE bool is_used(backward_way way, int k)
{
    return k == (int)SCALE || (way.projects && k < (int)SCALE) || (way.gate && k > (int)SCALE);
}

/* `count` values, one by one; `step` is 1 where the coefficients lie along them, else 0. */
static __attribute__((noinline)) void backward_few(backward_way way, const element *x,
    const element *dy, element *dx, const uint8_t *mask, size_t count,
    const piece_coefficients *by, size_t step)
{
    for (size_t i = 0; i < count; i++) {
        size_t c = i * step;
        real value = way.projects || way.gate ? widen(x[i]) : 0, gradient = widen(dy[i]);
        if (way.gate) {
            real y = ((value - by->of[GATE_HIGH][c]) - by->of[GATE_LOW][c]) *
                         by->of[GATE_SCALE][c] +
                     by->of[GATE_BIAS][c];
            gradient = y > 0 ? gradient : 0;
        }
        if (way.projects && (mask == NULL || mask[i] != 0)) {
            real centered = (value - by->of[HIGH][c]) - by->of[LOW][c];
            gradient = (gradient - by->of[MEAN_DY][c]) - centered * by->of[SLOPE][c];
        }
        dx[i] = narrow(gradient * by->of[SCALE][c]);
    }
}

/* `mask` (or NULL) are WIDTH bytes. */
NORMD_INLINE void backward_vector(backward_way way, const element *x, const element *dy, element *dx,
    const uint8_t *mask, const vector_coefficients *by)
{
    const real_vector zero = {0};
    real_vector value = way.projects || way.gate ? load(x) : zero, gradient = load(dy);
    if (way.gate) {
        real_vector y = ((value - by->of[GATE_HIGH]) - by->of[GATE_LOW]) * by->of[GATE_SCALE] +
                        by->of[GATE_BIAS];
        gradient = real_where(y > 0, gradient);
    }
    if (way.projects) {
        real_vector centered = (value - by->of[HIGH]) - by->of[LOW];
        real_vector projected = (gradient - by->of[MEAN_DY]) - centered * by->of[SLOPE];
        gradient = mask == NULL ? projected
                                : real_select(mask_of_bytes(mask), projected, gradient);
    }
    gradient = gradient * by->of[SCALE];
    if (way.streamed) {
        store_streamed(dx, gradient);
    } else {
        store(dx, gradient);
    }
}

NORMD_INLINE vector_coefficients vectors_at(
    backward_way way, const piece_coefficients *by, size_t i, bool along)
{
    vector_coefficients at;
    for (int k = 0; k < COUNT; k++) {
        at.of[k] = !is_used(way, k) ? real_vector_of(0)
                   : along          ? load_reals(by->of[k] + i)
                                    : real_vector_of(by->of[k][0]);
    }
    return at;
}

/* dx over `count` neighbouring values. With `along`, each has coefficients of its own; the mask (or
   NULL) has a byte for each. */
NORMD_INLINE void backward_piece(backward_way way, bool along, const element *x,
    const element *dy, element *dx, const uint8_t *mask, size_t count,
    const piece_coefficients *by)
{
    vector_coefficients vectors = vectors_at(way, by, 0, false);
    size_t head = way.streamed ? stores_head(dx, count) : 0, i = head;
    if (head > 0) {
        backward_few(way, x, dy, dx, mask, head, by, along);
    }
    for (; mask == NULL && i + WIDTH <= count; i += WIDTH) {
        vectors = along ? vectors_at(way, by, i, true) : vectors;
        backward_vector(way, x + i, dy + i, dx + i, NULL, &vectors);
    }
    for (; i + WIDTH <= count; i += WIDTH) {
        vectors = along ? vectors_at(way, by, i, true) : vectors;
        backward_vector(way, x + i, dy + i, dx + i, mask + i, &vectors);
    }
    if (i < count) {
        piece_coefficients rest = *by;
        for (int k = 0; along && k < COUNT; k++) {
            rest.of[k] += i;
        }
        backward_few(way, x + i, dy + i, dx + i, mask != NULL ? mask + i : NULL, count - i, &rest,
            along);
    }
}

typedef struct backward_job {
    const element *x, *dy;
    element *dx;
    const normd_geometry *geometry;
    const normd_tile *tile;
    const uint8_t *mask;
    piece_coefficients by; /* of all channels; NULL for zeros */
} backward_job;

NORMD_INLINE void backward_runs(backward_way way, const backward_job *job)
{
    static const real zero = 0;
    const normd_tile *tile = job->tile;
    size_t length = tile->inner_end - tile->inner_begin;
    for (size_t o = tile->outer_begin; o < tile->outer_end; o++) {
        const uint8_t *mask = job->mask;
        mask = mask != NULL ? mask + o * job->geometry->inner + tile->inner_begin : NULL;
        for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
            size_t at = normd_at(job->geometry, o, c, tile->inner_begin);
            piece_coefficients by;
            for (int k = 0; k < COUNT; k++) {
                by.of[k] = job->by.of[k] != NULL ? job->by.of[k] + c : &zero;
            }
            backward_piece(
                way, false, job->x + at, job->dy + at, job->dx + at, mask, length, &by);
        }
    }
}

/* A row of the batch counts or not; where it does not, dx = dy * scale. */
NORMD_INLINE void backward_row(backward_way way, const backward_job *job, size_t at, size_t count,
    bool counts, const piece_coefficients *by)
{
    const backward_way unprojected = {false, way.gate, way.streamed};
    backward_piece(counts ? way : unprojected, true, job->x + at, job->dy + at, job->dx + at, NULL,
        count, by);
}

NORMD_INLINE void backward_rows(backward_way way, const backward_job *job)
{
    static const real zeros[WIDE_ROW] = {0};
    row_coefficients room;
    const normd_tile *tile = job->tile;
    size_t most = rows_plan_most(job->geometry);
    for (size_t c = tile->channel_begin; c < tile->channel_end; c += most) {
        size_t end = tile->channel_end - c < most ? tile->channel_end : c + most;
        rows_plan plan = rows_plan_of(job->geometry, tile, c, end, job->mask == NULL);
        piece_coefficients by;
        for (int k = 0; k < COUNT; k++) {
            const real *own = rows_plan_coefficient(&plan, job->by.of[k], &room, k);
            by.of[k] = own != NULL ? own : zeros;
        }
        for (size_t r = 0; r < plan.rows; r++) {
            size_t at = plan.begin + r * plan.stride;
            size_t width = rows_plan_width(&plan, r);
            if (job->mask == NULL || job->mask[tile->outer_begin + r] != 0) {
                backward_row(way, job, at, width, true, &by);
            } else {
                backward_row(way, job, at, width, false, &by);
            }
        }
    }
}

NORMD_INLINE void backward_way_of(backward_way way, const backward_job *job)
{
    if (normd_order_is_rows(job->geometry)) {
        backward_rows(way, job);
    } else {
        backward_runs(way, job);
    }
}

/* Turns what is only known now into constants, one after the other. */
NORMD_INLINE void choose_gate(
    bool projects, bool gate, const backward_job *job, normd_stores stores)
{
    bool streamed = stores == NORMD_STORES_STREAMED;
    if (gate && streamed) {
        backward_way_of((backward_way){projects, true, true}, job);
    } else if (gate) {
        backward_way_of((backward_way){projects, true, false}, job);
    } else if (streamed) {
        backward_way_of((backward_way){projects, false, true}, job);
    } else {
        backward_way_of((backward_way){projects, false, false}, job);
    }
}

void NORMD_KERNEL(backward)(const void *x, const void *dy, void *dx,
    const normd_geometry *geometry, const normd_tile *tile, const uint8_t *mask,
    const normd_normalizer *gate, const normd_backprojector *backprojector, normd_stores stores)
{
    assert(normd_tile_is_valid(geometry, tile));
    bool projects = backprojector->mean_dy != NULL;
    if (mask != NULL && normd_order_is_rows(geometry) && geometry->inner > 1) {
        /* The mask would have to be repeated for each channel. */
        NORMD_REFERENCE_KERNEL(backward)
        (x, dy, dx, geometry, tile, mask, gate, backprojector, stores);
        return;
    }
    backward_job job = {x, dy, dx, geometry, tile, projects ? mask : NULL, {{0}}};
    job.by.of[HIGH] = backprojector->mean_high;
    job.by.of[LOW] = backprojector->mean_low;
    job.by.of[MEAN_DY] = backprojector->mean_dy;
    job.by.of[SLOPE] = backprojector->slope;
    job.by.of[SCALE] = backprojector->scale;
    if (gate != NULL) {
        job.by.of[GATE_HIGH] = gate->mean_high;
        job.by.of[GATE_LOW] = gate->mean_low;
        job.by.of[GATE_SCALE] = gate->scale;
        job.by.of[GATE_BIAS] = gate->bias;
    }
    if (projects) {
        choose_gate(true, gate != NULL, &job, stores);
    } else {
        choose_gate(false, gate != NULL, &job, stores);
    }
    if (stores == NORMD_STORES_STREAMED) {
        streamed_stores_end();
    }
}
