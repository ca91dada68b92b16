// SPDX-License-Identifier: Apache-2.0
#include "lib/blas/blas.h"

#include <cblas.h>

const char *normd_blas_name(void)
{
    return openblas_get_config();
}

void normd_blas_single_thread(void)
{
    openblas_set_num_threads(1);
}
