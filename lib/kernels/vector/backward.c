// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/vector/elementwise.h"

/* The coefficients, in their order: of the scale alone, of the projection (training), and of a
   fused ReLU's gate. Those of the gate follow whichever of the others there are. */
enum { SCALE, HIGH, LOW, MEAN_DY, SLOPE };
enum { SCALED = 1, PROJECTED = 5, GATES = 4 };

/* Of an operation, which is what `way` says. */
enum { PROJECTS = 1, HAS_GATE = 2 };

static __attribute__((noinline)) void few(int way, const elementwise_job *job, size_t at,
    size_t count, const real *const *by, size_t step, const uint8_t *mask)
{
    const real *const *gate = by + ((way & PROJECTS) != 0 ? PROJECTED : SCALED);
    for (size_t i = 0; i < count; i++) {
        size_t c = i * step;
        real x = way != 0 ? widen(job->x[at + i]) : 0, gradient = widen(job->dy[at + i]);
        if ((way & HAS_GATE) != 0) {
            real y = ((x - gate[0][c]) - gate[1][c]) * gate[2][c] + gate[3][c];
            gradient = y <= 0 ? 0 : gradient;
        }
        if ((way & PROJECTS) != 0 && (mask == NULL || mask[i] != 0)) {
            real centered = (x - by[HIGH][c]) - by[LOW][c];
            gradient = (gradient - by[MEAN_DY][c]) - centered * by[SLOPE][c];
        }
        job->out[at + i] = narrow(gradient * by[SCALE][c]);
    }
}

NORMD_INLINE void vector(int way, bool streamed, const elementwise_job *job, size_t at,
    const real_vector *by, const uint8_t *mask)
{
    const real_vector zero = {0}, *gate = by + ((way & PROJECTS) != 0 ? PROJECTED : SCALED);
    real_vector x = way != 0 ? load(job->x + at) : zero, gradient = load(job->dy + at);
    if ((way & HAS_GATE) != 0) {
        real_vector y = ((x - gate[0]) - gate[1]) * gate[2] + gate[3];
        gradient = real_where(~(y <= 0), gradient);
    }
    if ((way & PROJECTS) != 0) {
        real_vector centered = (x - by[HIGH]) - by[LOW];
        real_vector projected = (gradient - by[MEAN_DY]) - centered * by[SLOPE];
        gradient = mask == NULL ? projected : real_select(mask_of_bytes(mask), projected, gradient);
    }
    put(streamed, job->out + at, gradient * by[SCALE]);
}

/* Where a row does not count it is only scaled; its coefficients stay in their places. */
NORMD_INLINE void scale_vector(int way, bool streamed, const elementwise_job *job, size_t at,
    const real_vector *by, const uint8_t *mask)
{
    (void)mask;
    const real_vector *gate = by + ((way & PROJECTS) != 0 ? PROJECTED : SCALED);
    real_vector gradient = load(job->dy + at);
    if ((way & HAS_GATE) != 0) {
        real_vector y = ((load(job->x + at) - gate[0]) - gate[1]) * gate[2] + gate[3];
        gradient = real_where(~(y <= 0), gradient);
    }
    put(streamed, job->out + at, gradient * by[SCALE]);
}

static __attribute__((noinline)) void scale_few(int way, const elementwise_job *job, size_t at,
    size_t count, const real *const *by, size_t step, const uint8_t *mask)
{
    const uint8_t none[WIDTH] = {0};
    (void)mask;
    assert(count < sizeof none + 1);
    few(way, job, at, count, by, step, none);
}

NORMD_INLINE void run(int way, bool streamed, const elementwise_job *job)
{
    int count = ((way & PROJECTS) != 0 ? PROJECTED : SCALED) + ((way & HAS_GATE) != 0 ? GATES : 0);
    const elementwise op = {count, streamed, way, vector, few};
    const elementwise masked = {count, streamed, way, scale_vector, scale_few};
    elementwise_tile(op, masked, job);
}

/* Turns what is only known now into constants. */
static void run_way(int way, bool streamed, const elementwise_job *job)
{
    switch (way * 2 + streamed) {
    case 0:
        run(0, false, job);
        break;
    case 1:
        run(0, true, job);
        break;
    case 2:
        run(PROJECTS, false, job);
        break;
    case 3:
        run(PROJECTS, true, job);
        break;
    case 4:
        run(HAS_GATE, false, job);
        break;
    case 5:
        run(HAS_GATE, true, job);
        break;
    case 6:
        run(PROJECTS | HAS_GATE, false, job);
        break;
    default:
        run(PROJECTS | HAS_GATE, true, job);
        break;
    }
}

void NORMD_KERNEL(backward)(const void *x, const void *dy, void *dx, const normd_geometry *geometry,
    const normd_tile *tile, const uint8_t *mask, const normd_normalizer *gate,
    const normd_backprojector *backprojector, normd_stores stores)
{
    assert(normd_tile_is_valid(geometry, tile));
    bool projects = backprojector->mean_dy != NULL;
    if (mask != NULL && normd_order_is_rows(geometry) && geometry->inner > 1) {
        /* The mask would have to be repeated for each channel. */
        NORMD_REFERENCE_KERNEL(backward)
        (x, dy, dx, geometry, tile, mask, gate, backprojector, stores);
        return;
    }
    elementwise_job job = {
        .x = x,
        .dy = dy,
        .out = dx,
        .mask = projects ? mask : NULL,
        .geometry = geometry,
        .tile = tile,
        .coefficient = {backprojector->scale, backprojector->mean_high, backprojector->mean_low,
            backprojector->mean_dy, backprojector->slope},
    };
    if (gate != NULL) {
        const real **of_gate = job.coefficient + (projects ? PROJECTED : SCALED);
        of_gate[0] = gate->mean_high;
        of_gate[1] = gate->mean_low;
        of_gate[2] = gate->scale;
        of_gate[3] = gate->bias;
    }
    int way = (projects ? PROJECTS : 0) | (gate != NULL ? HAS_GATE : 0);
    run_way(way, is_streamed(stores, dx), &job);
}
