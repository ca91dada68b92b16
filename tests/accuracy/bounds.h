// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_ACCURACY_BOUNDS_H
#define NORMD_TESTS_ACCURACY_BOUNDS_H

#include "tests/accuracy/reference.h"

/* How far each result may be from the exact one; README.md derives the formulas. The bounds of mean
   and variance are those of doubles: of floats 1 ulp is asked for. */
typedef struct accuracy_bounds {
    double *mean, *variance, *dgamma, *dbeta; /* of each channel */
    double *y, *dx;                           /* in the order of memory */
} accuracy_bounds;

accuracy_bounds accuracy_bounds_create(const accuracy_batch *batch);
void accuracy_bounds_destroy(accuracy_bounds *bounds);

/* From the reference of the batch. `variance` is what the layer came to: for doubles the error that
   it is seen to have, and that its own bound limits, goes into the bounds of what follows. */
void accuracy_bounds_forward(const accuracy_batch *batch, const accuracy_reference *reference,
    const double *variance, accuracy_bounds *bounds);
void accuracy_bounds_backward(const accuracy_batch *batch, const accuracy_reference *reference,
    const double *variance, accuracy_bounds *bounds);

#endif
