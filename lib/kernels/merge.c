// SPDX-License-Identifier: Apache-2.0
#include "lib/kernels/merge.h"

#include "lib/kernels/double_double.h"

/* count * mean to twice the precision of double. */
static normd_double_double sum_of(const normd_moments *moments)
{
    normd_double_double product = normd_two_product(moments->mean, moments->count);
    return normd_quick_two_sum(product.high, product.low + moments->mean_low * moments->count);
}

/* With d = mean_b - mean_a and n = n_a + n_b:
     mean = (n_a mean_a + n_b mean_b) / n
     m2   = m2_a + m2_b + d^2 n_a n_b / n
   All terms of m2 are positive, so plain doubles will do for it. */
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
    normd_double_double sum = normd_double_double_add(sum_of(total), sum_of(part));
    normd_double_double mean = normd_double_double_divide(sum, count);
    double between = (part->mean - total->mean) + (part->mean_low - total->mean_low);
    double weight = total->count * (part->count / count);
    *total = (normd_moments){
        count, mean.high, mean.low, total->m2 + part->m2 + between * between * weight};
}
