// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_ACCURACY_BATCH_H
#define NORMD_TESTS_ACCURACY_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/layers/compute.h"

/* A shape as the frameworks write it, (N, C, ...), and where the channels lie in memory. */
typedef struct accuracy_shape {
    size_t rank;
    size_t dim[4];
    bool channels_last;
    bool large; /* for the data whose difficulty grows with N alone */
} accuracy_shape;

/* The shapes, and their number. */
const accuracy_shape *accuracy_shapes(size_t *count);

/* One batch: element (o, c, i) is at (o * channels + c) * inner + i, in the type. */
typedef struct accuracy_batch {
    normd_dtype dtype;
    const accuracy_shape *shape;
    normd_shape extents; /* in the order of memory */
    size_t outer, channels, inner;
    size_t count; /* values of a channel */
    void *x, *dy;
    double *gamma, *beta; /* of each channel, exact in the type */
} accuracy_batch;

/* What the layer made of a batch: y and dx in the type, the others as they were stored. */
typedef struct accuracy_result {
    void *y, *dx;
    double *mean, *variance, *dgamma, *dbeta;
} accuracy_result;

static inline size_t accuracy_values(const accuracy_batch *batch)
{
    return batch->count * batch->channels;
}

/* The index of value `k` of a channel. */
static inline size_t accuracy_at(const accuracy_batch *batch, size_t channel, size_t k)
{
    return (k / batch->inner * batch->channels + channel) * batch->inner + k % batch->inner;
}

/* A batch with gamma and beta set and x and dy to be filled; what is allocated is never NULL (the
   program ends instead). */
accuracy_batch accuracy_batch_create(normd_dtype dtype, const accuracy_shape *shape);
void accuracy_batch_destroy(accuracy_batch *batch);

accuracy_result accuracy_result_create(const accuracy_batch *batch);
void accuracy_result_destroy(accuracy_result *result);

/* Zeroed memory on a cache line; ends the program when there is none. */
void *accuracy_allocate(size_t count, size_t size);

#endif
