// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_BATCH_NORM_MEASURE_H
#define NORMD_LAYERS_BATCH_NORM_MEASURE_H

#include "lib/kernels/merge.h"
#include "lib/layers/batch_norm.h"

/* The moments of each feature of a pass's x under its mask, as a training forward would find them;
   `moments` has room for all features. Reads shape, x, mask and positions alone; a mask has been
   checked. NOT_FINITE (unless the layer lets that pass), INTERNAL. */
normd_status normd_batch_norm_measure(
    const normd_layer_pass *pass, normd_moments *moments, normd_error *error);

#endif
