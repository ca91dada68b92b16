// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_MERGE_H
#define NORMD_KERNELS_MERGE_H

/* Moments of one channel over some values (Chan, Golub and LeVeque 1979): m2 is the sum of
   (x - mean)^2, never negative, and the mean is mean + mean_low. All zero: no values. */
typedef struct normd_moments {
    double count;
    double mean, mean_low;
    double m2;
} normd_moments;

/* Makes `total` the moments of its values and those of `part` together. */
void normd_moments_merge(normd_moments *total, const normd_moments *part);

#endif
