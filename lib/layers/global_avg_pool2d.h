// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_GLOBAL_AVG_POOL2D_H
#define NORMD_LAYERS_GLOBAL_AVG_POOL2D_H

#include "lib/layers/images.h"

/* The mean of each channel of images: (N, C), as Keras' GlobalAveragePooling2D, or with `keepdims`
   (N, C, 1, 1), as torch.nn.AdaptiveAvgPool2d(1). */
extern const normd_layer_operations normd_global_avg_pool2d_operations;

#endif
