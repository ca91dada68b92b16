// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_INIT_INITIALIZER_H
#define NORMD_INIT_INITIALIZER_H

#include "lib/init/random.h"
#include "lib/options/options.h"
#include "lib/pool/pool.h"

/*
 * Initial values by name, as Keras and torch.nn.init name them (the rows of keras_initializers.c
 * and torch_initializers.c; Keras' names in snake_case or CamelCase), and torch_linear, which is
 * what torch.nn.Linear does: uniform in +-1/sqrt(fan_in). An option gives one as a name ("zeros"),
 * a map with a name and arguments ({"name": "constant", "value": 0.5}), as Keras serializes it
 * ({"class_name": "Constant", "config": {"value": 0.5}}), a number for a constant, an array, or,
 * for a vector, a list of numbers.
 */
typedef struct normd_initializer_target {
    normd_dtype dtype; /* F32 or F64 */
    normd_shape shape; /* of the values */
    /* Axis i of an array that is given is axis axes[i] of the values; NULL: the same. */
    const uint8_t *axes;
    size_t fan_in;
    size_t fan_out;
    normd_random random;
    void *values;     /* is filled */
    normd_pool *pool; /* whose workers fill; NULL: the calling thread */
} normd_initializer_target;

/* Checks the option at `key` (missing: the name `otherwise`) and fills `target`. When `values` is
   NULL it only checks. `described`, when not NULL, receives a new reference to what describe shows:
   a map with the name and every argument, or {"name": "array"} for given values. Arrays must have
   the target's shape and be finite. Mistakes stick to `options`. */
void normd_initializer_read(normd_options *options, const char *key, const char *otherwise,
    const normd_initializer_target *target, json_t **described);

/* Whether the option's value is an array or a list, as the user gives them. */
bool normd_initializer_is_array(const json_t *value);

#endif
