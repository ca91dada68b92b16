// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_NORM_TENSORS_H
#define NORMD_LAYERS_NORM_TENSORS_H

#include "lib/layers/layer.h"

/*
 * What the tensors of every norm are, but for their shape: names, initial values, where they lie.
 */
typedef struct normd_norm_tensors {
    normd_layer_tensor gamma, beta;
    normd_layer_tensor mean, var, batches; /* running statistics; `batches` counts them */
} normd_norm_tensors;

normd_norm_tensors normd_norm_tensors_of(bool trainable);

#endif
