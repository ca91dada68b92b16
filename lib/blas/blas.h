// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_BLAS_BLAS_H
#define NORMD_BLAS_BLAS_H

/* The library that does the matrix products, with its version and the kernels that it chose
   ("OpenBLAS 0.3.21 ... SkylakeX MAX_THREADS=64"); static storage. */
const char *normd_blas_name(void);

/* Keeps the library on the thread that calls it: the pool is the only parallelism, and results must
   not depend on the number of threads. Before any product; any thread, any number of times. */
void normd_blas_single_thread(void);

#endif
