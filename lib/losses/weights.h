// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LOSSES_WEIGHTS_H
#define NORMD_LOSSES_WEIGHTS_H

#include "lib/options/options.h"

/* Weights of classes or of output columns, as options give them. */
enum { NORMD_WEIGHTS_MAX = 1 << 16 };

typedef struct normd_weights {
    double *value; /* owned; NULL: none are given */
    size_t count;
    bool scalar; /* given as one number, for every column */
} normd_weights;

/* Reads a list or an array of `expected` numbers (0: of any count), 0 or more, or, if `scalars`, a
   number. Missing or null: none. Mistakes stick to `options`. What was read is the caller's to
   release with normd_weights_clear, also after a mistake. */
void normd_weights_read(
    normd_options *options, const char *key, size_t expected, bool scalars, normd_weights *weights);
/* The same without `scalars`, or a map of numbers by their classes ({"3": 2.0}), where those that
   are missing have 1; for a map `expected` must be known. */
void normd_weights_read_map(
    normd_options *options, const char *key, size_t expected, normd_weights *weights);
void normd_weights_clear(normd_weights *weights);

/* A new reference: a number, a list of numbers, or null. */
json_t *normd_weights_describe(const normd_weights *weights);

/* The weight at a place; 1 without weights. */
static inline double normd_weights_at(const normd_weights *weights, size_t place)
{
    return weights->value == NULL ? 1.0 : weights->value[weights->scalar ? 0 : place];
}

#endif
