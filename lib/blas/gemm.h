// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_BLAS_GEMM_H
#define NORMD_BLAS_GEMM_H

#include "lib/base/array.h"

/* A matrix within an array: element (i, j) lies at i stride + j, or, transposed, at
   j stride + i. */
typedef struct normd_matrix {
    const void *data;
    size_t stride;
    bool transposed;
} normd_matrix;

/* C (m, n) = A (m, k) B (k, n), or C += A B. C may lie transposed, too. The extents and strides are
   below 2^31, which is what BLAS counts with. */
typedef struct normd_gemm {
    normd_dtype dtype; /* F32 or F64 */
    size_t m, n, k;
    normd_matrix a, b;
    void *c;
    size_t c_stride;
    bool c_transposed;
    bool accumulates; /* C is added to */
} normd_gemm;

/* Computes on the calling thread alone. For the same extents and layout the bits are the same. */
void normd_gemm_run(const normd_gemm *gemm);

/* The matrix lying the other way: A^T of A. */
static inline normd_matrix normd_matrix_flip(normd_matrix matrix)
{
    matrix.transposed = !matrix.transposed;
    return matrix;
}

#endif
