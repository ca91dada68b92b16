// SPDX-License-Identifier: Apache-2.0
#include "lib/blas/gemm.h"

#include <cblas.h>

#include "lib/blas/blas.h"

void normd_gemm_run(const normd_gemm *gemm)
{
    normd_blas_single_thread();
    normd_matrix a = gemm->a, b = gemm->b;
    size_t m = gemm->m, n = gemm->n;
    if (gemm->c_transposed) { /* C^T = B^T A^T */
        a = normd_matrix_flip(gemm->b);
        b = normd_matrix_flip(gemm->a);
        m = gemm->n;
        n = gemm->m;
    }
    CBLAS_TRANSPOSE ta = a.transposed ? CblasTrans : CblasNoTrans;
    CBLAS_TRANSPOSE tb = b.transposed ? CblasTrans : CblasNoTrans;
    double beta = gemm->accumulates ? 1.0 : 0.0;
    if (gemm->dtype == NORMD_F32) {
        cblas_sgemm(CblasRowMajor, ta, tb, (blasint)m, (blasint)n, (blasint)gemm->k, 1.0F, a.data,
            (blasint)a.stride, b.data, (blasint)b.stride, (float)beta, gemm->c,
            (blasint)gemm->c_stride);
    } else {
        cblas_dgemm(CblasRowMajor, ta, tb, (blasint)m, (blasint)n, (blasint)gemm->k, 1.0, a.data,
            (blasint)a.stride, b.data, (blasint)b.stride, beta, gemm->c, (blasint)gemm->c_stride);
    }
}
