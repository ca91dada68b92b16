// SPDX-License-Identifier: Apache-2.0
#include "lib/init/matrix.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/blas/blas.h"

static void store(normd_dtype dtype, void *values, size_t n, double value)
{
    if (dtype == NORMD_F32) {
        ((float *)values)[n] = (float)value;
    } else {
        ((double *)values)[n] = value;
    }
}

void normd_matrix_identity(
    double gain, normd_dtype dtype, size_t rows, size_t columns, void *values)
{
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < columns; column++) {
            store(dtype, values, row * columns + column, row == column ? gain : 0.0);
        }
    }
}

enum { PANEL = 32 }; /* vectors that are made orthogonal to those before them in one product */

/* Takes out of `count` vectors their parts along the `done` unit vectors before them. */
static void project(double *vectors, int length, int done, int count, double *parts)
{
    double *panel = vectors + (size_t)done * (size_t)length;
    if (done == 0) {
        return;
    }
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, done, length, 1.0, panel, length,
        vectors, length, 0.0, parts, done);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, count, length, done, -1.0, parts, done,
        vectors, length, 1.0, panel, length);
}

/* Modified Gram-Schmidt within a panel. */
static void orthonormalize(double *panel, int length, int count)
{
    for (int i = 0; i < count; i++) {
        double *own = panel + (size_t)i * (size_t)length;
        for (int j = 0; j < i; j++) {
            const double *other = panel + (size_t)j * (size_t)length;
            cblas_daxpy(length, -cblas_ddot(length, own, 1, other, 1), other, 1, own, 1);
        }
        cblas_dscal(length, 1.0 / cblas_dnrm2(length, own, 1), own, 1);
    }
}

bool normd_matrix_orthogonal(double gain, const normd_random *random, normd_dtype dtype,
    size_t rows, size_t columns, void *values)
{
    bool tall = rows > columns;
    size_t count = tall ? columns : rows;
    size_t length = tall ? rows : columns;
    assert(length <= INT_MAX && (count == 0 || length <= SIZE_MAX / sizeof(double) / count));
    normd_blas_single_thread();
    double *vectors = malloc((count * length + 1) * sizeof *vectors);
    double *parts = malloc((count * PANEL + 1) * sizeof *parts);
    for (size_t n = 0; n < count * length && vectors != NULL; n++) {
        vectors[n] = normd_random_normal(random, n);
    }
    for (size_t done = 0; done < count && vectors != NULL && parts != NULL; done += PANEL) {
        int some = count - done < PANEL ? (int)(count - done) : PANEL;
        /* Twice is enough (Kahan and Parlett): what the first round leaves is rounding. */
        for (int round = 0; round < 2; round++) {
            project(vectors, (int)length, (int)done, some, parts);
            orthonormalize(vectors + done * length, (int)length, some);
        }
    }
    for (size_t n = 0; n < count * length && vectors != NULL && parts != NULL; n++) {
        size_t to = tall ? n % length * count + n / length : n;
        store(dtype, values, to, gain * vectors[n]);
    }
    bool made = vectors != NULL && parts != NULL;
    free(vectors);
    free(parts);
    return made;
}
