// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_FLATTEN_H
#define NORMD_LAYERS_FLATTEN_H

#include "lib/layers/layer.h"

/* The axes from `start_dim` on become one: (N, C, H, W) becomes (N, C H W). The elements stay in
   their order, so the output is the input under another shape. */
extern const normd_layer_operations normd_flatten_operations;

#endif
