// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_CROSS_DIGEST_H
#define NORMD_TESTS_CROSS_DIGEST_H

#include "tests/unit/lib/kernels/batch.h"

/*
 * kernel-digest runs the same random cases on every machine and prints a 64-bit digest of each
 * result. The data are the same everywhere: integers, and IEEE additions, multiplications and
 * divisions of doubles, which round alike on all machines. A digest of the inputs is printed first,
 * so that data that differ cannot be taken for kernels that do.
 */
typedef struct digest {
    uint64_t hash;
} digest;

void digest_add(digest *to, uint64_t bits);
void digest_add_bytes(digest *to, const void *bytes, size_t count);
/* Every NaN counts as the same one: which of two operands gives its payload is left to the
   machine. */
void digest_add_values(digest *to, storage type, const void *values, size_t count);

/* What the lines of a case begin with, and the kernels that run it. */
typedef struct digest_case {
    const normd_kernels *row;
    int number;
} digest_case;

/* Prints one line: the case, its description, the name of the result and its digest. */
void digest_print(
    const digest_case *of, const char *description, const char *result, const digest *of_result);

enum { DESCRIPTION_BYTES = 200 };

/* Each kernel that goes over a batch, on one random tile with random coefficients. */
void digest_tile_case(const digest_case *of);

typedef struct normd_pool normd_pool;
/* Batch norm forward and backward over all tiles of a random batch, on the workers of the pool. */
void digest_batch_case(const digest_case *of, normd_pool *pool);

#endif
