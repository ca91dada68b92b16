// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_ACCURACY_DUMP_H
#define NORMD_TESTS_ACCURACY_DUMP_H

#include "tests/accuracy/check.h"

/*
 * Writes batches and their references for other programs. index.json holds
 *
 *   {"eps": 1e-5, "batches": [{dtype, x_set, shape (as in memory), channels_last, gamma, beta,
 *     mean, variance: [[high...], [low...], [bound...]], x, y: file names,
 *     backward: [{dy_set, dgamma, dbeta: [[high...], [low...], [bound...]], dy, dx: file names}]}]}
 *
 * x and dy are raw values of the type; y and dx three arrays of doubles, one after the other: the
 * exact result as high + low, and the bound of its error.
 */
typedef struct accuracy_dump accuracy_dump;

/* Into the folder, which is made where it is not there. NULL, with errno set, when that fails. */
accuracy_dump *accuracy_dump_create(const char *folder);
/* Adds a batch and its forward, and after it a backward of the same batch. */
void accuracy_dump_forward(accuracy_dump *dump, const accuracy_case *self);
void accuracy_dump_backward(accuracy_dump *dump, const accuracy_case *self);
/* Writes the index; false when anything could not be written. */
bool accuracy_dump_finish(accuracy_dump *dump);

#endif
