// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_RELU_H
#define NORMD_LAYERS_RELU_H

#include "lib/layers/layer.h"

/* y = max(x, 0), element by element, over an input of any shape. NaN stays NaN. */
extern const normd_layer_operations normd_relu_operations;

#endif
