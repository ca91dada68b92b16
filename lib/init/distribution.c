// SPDX-License-Identifier: Apache-2.0
#include "lib/init/distribution.h"

#include <assert.h>

/* The draws of value n are the positions n, n + 2^48, n + 2 * 2^48, ... of the stream, so that the
   number of draws that one value takes does not move the others. */
static double truncated_normal(
    const normd_distribution *distribution, const normd_random *random, uint64_t n)
{
    for (uint64_t draw = 0;; draw++) {
        double value = normd_random_normal(random, n + (draw << 48));
        if (value >= distribution->low && value <= distribution->high) {
            return value;
        }
    }
}

static double value_at(
    const normd_distribution *distribution, const normd_random *random, uint64_t n)
{
    double a = distribution->a;
    double b = distribution->b;
    switch (distribution->kind) {
    case NORMD_UNIFORM:
        return a + (b - a) * normd_random_uniform(random, n);
    case NORMD_NORMAL:
        return a + b * normd_random_normal(random, n);
    case NORMD_TRUNCATED_NORMAL:
        return a + b * truncated_normal(distribution, random, n);
    case NORMD_CONSTANT:
    default:
        return a;
    }
}

/* Values of a tile: some hundred microseconds of the slowest distribution. */
enum { FILL_TILE = 1 << 14 };

typedef struct fill_loop {
    const normd_distribution *distribution;
    const normd_random *random;
    normd_dtype dtype;
    size_t count;
    void *values;
} fill_loop;

static void fill_tile(void *argument, size_t tile)
{
    const fill_loop *loop = argument;
    size_t begin = tile * FILL_TILE;
    size_t end = loop->count - begin < FILL_TILE ? loop->count : begin + FILL_TILE;
    if (loop->dtype == NORMD_F32) {
        float *to = loop->values;
        for (size_t n = begin; n < end; n++) {
            to[n] = (float)value_at(loop->distribution, loop->random, n);
        }
    } else {
        double *to = loop->values;
        for (size_t n = begin; n < end; n++) {
            to[n] = value_at(loop->distribution, loop->random, n);
        }
    }
}

void normd_distribution_fill(const normd_distribution *distribution, const normd_random *random,
    normd_dtype dtype, size_t count, void *values, normd_pool *pool)
{
    assert(dtype == NORMD_F32 || dtype == NORMD_F64);
    assert((uint64_t)count >> 48 == 0);
    fill_loop loop = {distribution, random, dtype, count, values};
    size_t tiles = count / FILL_TILE + (count % FILL_TILE != 0);
    normd_pool_for(tiles > 1 ? pool : NULL, tiles, fill_tile, &loop);
}
