// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PENALTIES_REGULARIZER_H
#define NORMD_PENALTIES_REGULARIZER_H

#include "lib/options/options.h"

/*
 * A penalty on the values w of one parameter, as in keras.regularizers: l1 sum |w| + l2 sum w^2
 * (no half). Its gradient is l1 sign(w) + 2 l2 w, with sign(0) = 0. Zeroed: none.
 */
typedef struct normd_regularizer {
    double l1, l2;
    const char *name; /* "l1", "l2" or "l1_l2"; NULL: none. Static storage */
} normd_regularizer;

/* Reads the option at `key`: null, a number for an L2 penalty, a name ("l1" and "l2" with factors
   0.01, "l1_l2" with factors 0), or a map with a name and its factors. */
normd_regularizer normd_regularizer_read(normd_options *options, const char *key);

/* A map with the name and every argument; a new reference, or NULL when out of memory. */
json_t *normd_regularizer_describe(const normd_regularizer *regularizer);

/* Whether it does anything. */
static inline bool normd_regularizer_is_some(const normd_regularizer *regularizer)
{
    return regularizer->l1 != 0 || regularizer->l2 != 0;
}

/* The penalty of `count` values of type F32 or F64. The order of the sum comes from the count. */
double normd_regularizer_value(
    const normd_regularizer *regularizer, normd_dtype dtype, const void *values, size_t count);

/* Adds the penalty's gradient at `values` to `gradient`, `count` each. */
void normd_regularizer_add_gradient(const normd_regularizer *regularizer, normd_dtype dtype,
    const void *values, void *gradient, size_t count);

#endif
