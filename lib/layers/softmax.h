// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_SOFTMAX_H
#define NORMD_LAYERS_SOFTMAX_H

#include "lib/layers/layer.h"

/*
 * Over the values x_c of each sample and place along one axis:
 *
 *   softmax      y_c = exp(x_c - m) / s with m = max x and s = sum exp(x_j - m)
 *                dx_c = y_c (dy_c - sum_j dy_j y_j)
 *   log_softmax  y_c = (x_c - m) - log s
 *                dx_c = dy_c - exp(y_c) sum_j dy_j
 *
 * torch.nn.Softmax and LogSoftmax (`dim`), keras.layers.Softmax (`axis`). The axis is that of the
 * convention's features unless an option says another.
 */
extern const normd_layer_operations normd_softmax_operations;
extern const normd_layer_operations normd_log_softmax_operations;

#endif
