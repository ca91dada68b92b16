// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_ACCURACY_NORM_H
#define NORMD_TESTS_ACCURACY_NORM_H

#include "tests/accuracy/batch.h"

/* The eps of the layer: PyTorch's, as a double. */
#define ACCURACY_EPS 1e-5

/*
 * One training forward and backward of the batch-norm layer over the batch, on this thread. Mean
 * and (biased) variance are read from the running statistics, which momentum 1 replaces as a whole;
 * a variance beyond the type is infinity there. False, with the reason in `error`, when the layer
 * refused.
 */
bool accuracy_norm_run(const normd_kernel_set *kernels, const accuracy_batch *batch,
    accuracy_result *result, normd_error *error);

#endif
