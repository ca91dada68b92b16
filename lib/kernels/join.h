// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_JOIN_H
#define NORMD_KERNELS_JOIN_H

#include "lib/kernels/double_double.h"
#include "lib/kernels/kernels.h"

/* The moments of two parts together. With d = mean_b - mean_a and n = n_a + n_b:
     mean = (sum_a + sum_b) / n
     m2   = m2_a + m2_b + d^2 n_a n_b / n
   All terms of m2 are positive, so plain doubles will do for it. An empty part has m2 = 0 and takes
   part with d = 0: without a branch, a loop over channels becomes vector code. */
static inline normd_moments normd_moments_joined(normd_moments a, normd_moments b)
{
    double count = a.count + b.count, divisor = count == 0 ? 1 : count;
    normd_double_double sum = normd_double_double_add(
        (normd_double_double){a.sum, a.sum_low}, (normd_double_double){b.sum, b.sum_low});
    normd_double_double mean = normd_double_double_divide(sum, divisor);
    double between = (b.mean - a.mean) + (b.mean_low - a.mean_low);
    between = a.count == 0 ? 0 : between;
    between = b.count == 0 ? 0 : between;
    double m2 = (a.m2 + b.m2) + between * between * (a.count * (b.count / divisor));
    return (normd_moments){count, mean.high, mean.low, m2, sum.high, sum.low};
}

#endif
