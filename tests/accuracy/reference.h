// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_ACCURACY_REFERENCE_H
#define NORMD_TESTS_ACCURACY_REFERENCE_H

#include "tests/accuracy/batch.h"
#include "tests/accuracy/quad.h"

/* Exact moments of a channel, and sizes that the bounds need. */
typedef struct accuracy_moments {
    quad mean, variance;
    quad inverse;            /* 1 / sqrt(variance + eps) */
    quad scale;              /* gamma * inverse */
    double absolute, square; /* mean of |x| and of x^2 */
} accuracy_moments;

/* Exact results of backward of a channel, and sizes that the bounds need. */
typedef struct accuracy_gradients {
    quad dgamma, dbeta;
    quad mean_dy;
    quad slope; /* inverse^2 * sum(dy (x - mean)) / n */
    /* The sums of |dy|, |dy x| and |dy (x - mean)|. */
    double dy, dy_x, dy_centered;
} accuracy_gradients;

/*
 * Training forward and backward of a batch in binary128. x - mean is formed of the mean of the
 * whole channel, so nothing cancels but what the data itself cancels; the errors are some 2^-100 of
 * the sums of magnitudes, and left out of the bounds.
 */
typedef struct accuracy_reference {
    accuracy_moments *moments;     /* of each channel */
    accuracy_gradients *gradients; /* of each channel */
    quad *centered, *y, *dx;       /* x - mean, and the results, in the order of memory */
} accuracy_reference;

accuracy_reference accuracy_reference_create(const accuracy_batch *batch);
void accuracy_reference_destroy(accuracy_reference *reference);

void accuracy_reference_forward(const accuracy_batch *batch, accuracy_reference *reference);
/* Needs what forward left. */
void accuracy_reference_backward(const accuracy_batch *batch, accuracy_reference *reference);

#endif
