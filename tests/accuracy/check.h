// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_ACCURACY_CHECK_H
#define NORMD_TESTS_ACCURACY_CHECK_H

#include "tests/accuracy/bounds.h"

/* What is compared, once: (name). */
#define ACCURACY_QUANTITY_MAP(X) X(mean) X(variance) X(y) X(dx) X(dgamma) X(dbeta)

typedef enum accuracy_quantity {
#define ACCURACY_ENUM(name) ACCURACY_##name,
    ACCURACY_QUANTITY_MAP(ACCURACY_ENUM)
#undef ACCURACY_ENUM
        ACCURACY_QUANTITIES
} accuracy_quantity;

const char *accuracy_quantity_name(accuracy_quantity quantity);

/* The largest errors seen: of mean and variance in ulps (how many numbers of the type lie between
   the result and the exact one rounded); of each quantity over its bound, which is 1 ulp for mean
   and variance of floats. */
typedef struct accuracy_figures {
    double mean_ulps, variance_ulps;
    double ratio[ACCURACY_QUANTITIES];
} accuracy_figures;

/* Keeps the larger of both. */
void accuracy_figures_merge(accuracy_figures *total, const accuracy_figures *other);

/* Whose results are looked at, for messages. */
typedef struct accuracy_case {
    const char *x_set, *dy_set;
    const accuracy_batch *batch;
    const accuracy_reference *reference;
    const accuracy_bounds *bounds;
    const accuracy_result *result;
    bool quiet; /* says nothing of what is wrong */
} accuracy_case;

/* Compares, and says on standard error what breaks its bound; returns how many do. */
size_t accuracy_check_forward(const accuracy_case *self, accuracy_figures *figures);
size_t accuracy_check_backward(const accuracy_case *self, accuracy_figures *figures);

#endif
