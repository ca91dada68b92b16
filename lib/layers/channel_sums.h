// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_CHANNEL_SUMS_H
#define NORMD_LAYERS_CHANNEL_SUMS_H

#include "lib/layers/compute.h"

/* The sum of each channel of an array [outer][channels][inner], which is the gradient of a bias, or
   the mean of each: in double, in an order that the shape alone tells, rounded once to the
   compute's type. There may be several arrays one after another, each with sums of its own. */
typedef struct normd_channel_sums {
    size_t arrays, outer, channels, inner;
    double divisor; /* 1 for the sums */
    const void *values;
    void *sums; /* `channels` values for each array */
} normd_channel_sums;

void normd_channel_sums_run(const normd_compute *compute, const normd_channel_sums *sums);

#endif
