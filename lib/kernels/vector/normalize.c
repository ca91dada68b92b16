// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/vector/elementwise.h"

/* The coefficients, in their order. `way` is whether there is a ReLU. */
enum { HIGH, LOW, SCALE, BIAS, COUNT };

static __attribute__((noinline)) void few(int relu, const elementwise_job *job, size_t at,
    size_t count, const real *const *by, size_t step, const uint8_t *mask)
{
    (void)mask;
    for (size_t i = 0; i < count; i++) {
        size_t c = i * step;
        real y = ((widen(job->x[at + i]) - by[HIGH][c]) - by[LOW][c]) * by[SCALE][c] + by[BIAS][c];
        job->out[at + i] = narrow(relu && y < 0 ? 0 : y);
    }
}

NORMD_INLINE void vector(int way, bool streamed, const elementwise_job *job, size_t at,
    const real_vector *by, const uint8_t *mask)
{
    (void)mask;
    real_vector y = ((load(job->x + at) - by[HIGH]) - by[LOW]) * by[SCALE] + by[BIAS];
    y = way ? real_where(~(y < 0), y) : y;
    put(streamed, job->out + at, y);
}

NORMD_INLINE void run(int relu, bool streamed, const elementwise_job *job)
{
    const elementwise op = {COUNT, streamed, relu, vector, few};
    elementwise_tile(op, op, job);
}

void NORMD_KERNEL(normalize)(const void *x, void *y, const normd_geometry *geometry,
    const normd_tile *tile, const normd_normalizer *normalizer, normd_stores stores)
{
    assert(normd_tile_is_valid(geometry, tile));
    const elementwise_job job = {
        .x = x,
        .out = y,
        .geometry = geometry,
        .tile = tile,
        .coefficient = {normalizer->mean_high, normalizer->mean_low, normalizer->scale,
            normalizer->bias},
    };
    bool streamed = is_streamed(stores, y);
    if (normalizer->relu && streamed) {
        run(1, true, &job);
    } else if (normalizer->relu) {
        run(1, false, &job);
    } else if (streamed) {
        run(0, true, &job);
    } else {
        run(0, false, &job);
    }
}
