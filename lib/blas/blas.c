// SPDX-License-Identifier: Apache-2.0
#include "lib/blas/blas.h"

#include <cblas.h>
#include <pthread.h>

const char *normd_blas_name(void)
{
    return openblas_get_config();
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void set_one_thread(void)
{
    openblas_set_num_threads(1);
}

void normd_blas_single_thread(void)
{
    pthread_once(&once, set_one_thread);
}
