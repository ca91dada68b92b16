// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_INIT_DISTRIBUTION_H
#define NORMD_INIT_DISTRIBUTION_H

#include "lib/base/array.h"
#include "lib/init/random.h"
#include "lib/pool/pool.h"

/* Where initial values come from. Value n of a tensor is a function of (random, n) alone. */
typedef enum normd_distribution_kind {
    NORMD_CONSTANT,         /* a */
    NORMD_UNIFORM,          /* in [a, b) */
    NORMD_NORMAL,           /* mean a, standard deviation b */
    NORMD_TRUNCATED_NORMAL, /* the same, drawn again outside of [low, high] standard deviations */
} normd_distribution_kind;

typedef struct normd_distribution {
    normd_distribution_kind kind;
    double a;
    double b;
    double low, high;
} normd_distribution;

/* Fills `count` values of F32 (rounded from double) or F64, on the workers of `pool` where they are
   many (NULL: on the calling thread). `count` is below 2^48. */
void normd_distribution_fill(const normd_distribution *distribution, const normd_random *random,
    normd_dtype dtype, size_t count, void *values, normd_pool *pool);

#endif
