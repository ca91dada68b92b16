// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_DROPOUT_H
#define NORMD_LAYERS_DROPOUT_H

#include "lib/layers/layer.h"

/*
 * Dropout (Srivastava et al., 2014), over an input of any shape: in training each element is 0 with
 * probability p, else x / (1 - p); inference leaves x as it is.
 *
 * Whether element i is kept is a function of (seed, the layer's place, draw number, i) alone, so
 * that it does not depend on threads, and backward makes the mask anew. The draw number is the
 * statistic "draws": a training forward that may change statistics counts it up behind it, another
 * one draws with it and leaves it.
 */
extern const normd_layer_operations normd_dropout_operations;

#endif
