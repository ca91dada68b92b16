// SPDX-License-Identifier: Apache-2.0
#include "lib/kernels/double_double.h"
#include "lib/kernels/kernels.h"

/* With d = mean_b - mean_a and n = n_a + n_b:
     mean = mean_a + d n_b / n
     m2   = m2_a + m2_b + d^2 n_a n_b / n
   All terms of m2 are positive, so a plain double will do; the mean is kept to twice that. */
void normd_moments_merge(normd_moments *total, const normd_moments *part)
{
    if (part->count == 0) {
        return;
    }
    if (total->count == 0) {
        *total = *part;
        return;
    }
    double count = total->count + part->count;
    normd_double_double mean = {total->mean, total->mean_low};
    normd_double_double difference =
        normd_double_double_add((normd_double_double){part->mean, part->mean_low},
            (normd_double_double){-mean.high, -mean.low});
    normd_double_double shift = normd_two_product(difference.high, part->count);
    shift.low += difference.low * part->count;
    mean = normd_double_double_add(mean, normd_double_double_divide(shift, count));
    *total = (normd_moments){
        .count = count,
        .mean = mean.high,
        .mean_low = mean.low,
        .m2 = (total->m2 + part->m2) +
              difference.high * difference.high * (total->count * (part->count / count)),
    };
}
