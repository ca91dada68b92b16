// SPDX-License-Identifier: Apache-2.0
#include "lib/init/distribution.h"

#include <assert.h>
#include <math.h>

/* The draws of value n are the positions n, n + 2^48, n + 2 * 2^48, ... of the stream, so that the
   number of draws that one value takes does not move the others. */
static double truncated_normal(const normd_random *random, uint64_t n)
{
    const double limit = 2.0;
    for (uint64_t draw = 0;; draw++) {
        double value = normd_random_normal(random, n + (draw << 48));
        if (fabs(value) <= limit) {
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
        return a + b * truncated_normal(random, n);
    case NORMD_CONSTANT:
    default:
        return a;
    }
}

void normd_distribution_fill(const normd_distribution *distribution, const normd_random *random,
    normd_dtype dtype, size_t count, void *values)
{
    assert(dtype == NORMD_F32 || dtype == NORMD_F64);
    assert((uint64_t)count >> 48 == 0);
    if (dtype == NORMD_F32) {
        float *to = values;
        for (size_t n = 0; n < count; n++) {
            to[n] = (float)value_at(distribution, random, n);
        }
    } else {
        double *to = values;
        for (size_t n = 0; n < count; n++) {
            to[n] = value_at(distribution, random, n);
        }
    }
}
