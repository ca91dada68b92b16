// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PENALTIES_CONSTRAINT_H
#define NORMD_PENALTIES_CONSTRAINT_H

#include "lib/options/options.h"

/*
 * What the values of one parameter are brought back to after each step, as in keras.constraints:
 *
 *   max_norm      w * clip(norm, 0, max_value) / (1e-7 + norm)
 *   non_neg       max(w, 0)
 *   unit_norm     w / (1e-7 + norm)
 *   min_max_norm  w * (rate clip(norm, min_value, max_value) + (1 - rate) norm) / (1e-7 + norm)
 *
 * Each group of values has its norm, sqrt(sum w^2) over `axis`. Axes count in the array as Keras
 * stores it, whose kernels are (in, out).
 */
typedef enum normd_constraint_kind {
    NORMD_CONSTRAINT_NONE,
    NORMD_CONSTRAINT_MAX_NORM,
    NORMD_CONSTRAINT_NON_NEG,
    NORMD_CONSTRAINT_UNIT_NORM,
    NORMD_CONSTRAINT_MIN_MAX_NORM,
} normd_constraint_kind;

typedef struct normd_constraint {
    normd_constraint_kind kind;
    double least, most, rate;
    unsigned axes; /* a bit an axis, of the array as Keras stores it */
    /* How the values lie: their own axes that a norm goes over, and that it does not. The last of
       each is the fastest. */
    uint32_t inside, outside;
    size_t inside_count[NORMD_MAX_RANK], inside_stride[NORMD_MAX_RANK];
    size_t outside_count[NORMD_MAX_RANK], outside_stride[NORMD_MAX_RANK];
    size_t groups; /* of values with a norm of their own */
    size_t values; /* of a group */
} normd_constraint;

/* Reads the option at `key` for an array of that shape: null, a name, or a map with a name and its
   arguments. Axis i of Keras' array is axis keras_axes[i] of it; NULL: the same. */
normd_constraint normd_constraint_read(
    normd_options *options, const char *key, const normd_shape *shape, const uint8_t *keras_axes);

/* A map with the name and every argument; a new reference, or NULL when out of memory. */
json_t *normd_constraint_describe(const normd_constraint *constraint);

/* Changes the groups from `begin` to `end` of an array of type F32 or F64. Groups share no values,
   and each is summed in one order. */
void normd_constraint_apply(
    const normd_constraint *constraint, normd_dtype dtype, void *values, size_t begin, size_t end);

#endif
