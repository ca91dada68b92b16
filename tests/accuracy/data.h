// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_ACCURACY_DATA_H
#define NORMD_TESTS_ACCURACY_DATA_H

#include "tests/accuracy/batch.h"

/* The data sets, random and adversarial. The same set, shape and type give the same values. */
typedef struct accuracy_random {
    uint64_t state;
} accuracy_random;

/* What a channel is filled from. */
typedef struct accuracy_channel_source {
    accuracy_random *random;
    size_t channel;
    double tiny;     /* the smallest number of the type */
    const double *x; /* for dy: the channel's x, rounded to the type */
} accuracy_channel_source;

typedef void (*accuracy_fill)(const accuracy_channel_source *source, double *values, size_t count);

typedef struct accuracy_data_set {
    const char *name;
    accuracy_fill fill;
    bool large; /* takes the large shapes, too */
} accuracy_data_set;

const accuracy_data_set *accuracy_x_sets(size_t *count);
const accuracy_data_set *accuracy_dy_sets(size_t *count);

/* Fills batch->x or, from it, batch->dy. */
void accuracy_fill_x(accuracy_batch *batch, const accuracy_data_set *set);
void accuracy_fill_dy(accuracy_batch *batch, const accuracy_data_set *set);

#endif
