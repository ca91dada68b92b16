// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_INIT_ARGUMENTS_H
#define NORMD_INIT_ARGUMENTS_H

#include "lib/init/distribution.h"
#include "lib/init/initializer.h"

/*
 * The initializers that users know, a row of a table each: what the name fixes, and how its
 * arguments are read into what the values are drawn from.
 */
typedef enum normd_filling {
    NORMD_FILL_DRAWN,      /* each value for itself, from the distribution */
    NORMD_FILL_IDENTITY,   /* `gain` on the diagonal of a matrix, 0 elsewhere */
    NORMD_FILL_ORTHOGONAL, /* rows or columns orthogonal, of length `gain` */
} normd_filling;

/* One initializer while its arguments are read. */
typedef struct normd_arguments {
    normd_options options;
    normd_initializer_target target;
    json_t *described;     /* or NULL */
    normd_filling filling; /* the results */
    normd_distribution distribution;
    double gain;
} normd_arguments;

enum { NORMD_FAN_IN, NORMD_FAN_OUT, NORMD_FAN_AVG };
enum { NORMD_SCALED_TRUNCATED_NORMAL, NORMD_SCALED_NORMAL, NORMD_SCALED_UNIFORM };

typedef struct normd_initializer_row {
    const char *name;  /* in snake_case */
    const char *shown; /* what describe says, where this is another name for that; else NULL */
    void (*read)(normd_arguments *arguments, const struct normd_initializer_row *row);
    uint32_t least_rank, largest_rank; /* of the array; 0: any */
    /* What the name fixes. */
    double value; /* of a constant; the scale of variance scaling */
    int mode;
    int scaled;
} normd_initializer_row;

/* Keras' rows and torch.nn.init's. */
extern const normd_initializer_row normd_keras_initializers[];
extern const size_t normd_keras_initializer_count;
extern const normd_initializer_row normd_torch_initializers[];
extern const size_t normd_torch_initializer_count;

/* Readers of single arguments; each puts what it read into the description. */

/* A number of at least `least`, such that values stay finite in the target's type. */
double normd_argument_number(
    normd_arguments *arguments, const char *key, double otherwise, double least);
int normd_argument_word(
    normd_arguments *arguments, const char *key, const char *const words[], int otherwise);
/* A seed makes the values independent of the session's seed and of where the tensor stands. */
void normd_argument_seed(normd_arguments *arguments);
/* An argument that is taken where it is null, as Keras writes what was not given. */
void normd_argument_null(normd_arguments *arguments, const char *key);

/* The connections of a unit, at least 1. */
double normd_argument_fan(const normd_arguments *arguments, int mode);

#endif
