// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_INIT_MATRIX_H
#define NORMD_INIT_MATRIX_H

#include "lib/base/array.h"
#include "lib/init/random.h"

/*
 * Initial values of a whole matrix: an array of rank 2 or more with its first axis as rows and the
 * others, flattened, as columns. F32 (rounded from double) or F64.
 */

/* `gain` on the diagonal, else 0. */
void normd_matrix_identity(
    double gain, normd_dtype dtype, size_t rows, size_t columns, void *values);

/* Orthonormal rows, or, of more rows than columns, columns, times `gain`: the Q of normal random
   numbers' QR decomposition with R's diagonal positive, uniform over all such matrices (Saxe,
   McClelland and Ganguli, 2013). On the calling thread, from (random) and the extents alone. False
   when out of memory. */
bool normd_matrix_orthogonal(double gain, const normd_random *random, normd_dtype dtype,
    size_t rows, size_t columns, void *values);

#endif
