// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_ACTIVATION_H
#define NORMD_LAYERS_ACTIVATION_H

#include "lib/layers/layer.h"

/*
 * Functions of one element, over an input of any shape, each a kind of layer (relu has a file of
 * its own, since batch norm computes it along). NaN passes.
 *
 *   leaky_relu  x > 0 ? x : negative_slope x
 *   relu6       min(max(x, 0), 6)
 *   elu         x > 0 ? x : alpha (exp(x) - 1)
 *   selu        elu with alpha 1.673..., times 1.050... (Klambauer et al., 2017)
 *   gelu        x P(X < x) for a standard normal X; or its approximation with tanh (Hendrycks and
 *               Gimpel, 2016)
 *   silu        x sigmoid(x)
 *   hardswish   x min(max(x + 3, 0), 6) / 6
 *   tanh, sigmoid
 *   softplus    log(1 + exp(beta x)) / beta, and x where beta x > threshold
 *
 * Name, function name, whether backward reads x or y.
 */
#define NORMD_ACTIVATION_MAP(X)                                                                    \
    X(LEAKY_RELU, leaky_relu, true)                                                                \
    X(RELU6, relu6, false)                                                                         \
    X(ELU, elu, true)                                                                              \
    X(SELU, selu, true)                                                                            \
    X(GELU, gelu, true)                                                                            \
    X(SILU, silu, true)                                                                            \
    X(HARDSWISH, hardswish, true)                                                                  \
    X(TANH, tanh, false)                                                                           \
    X(SIGMOID, sigmoid, false)                                                                     \
    X(SOFTPLUS, softplus, true)

typedef enum normd_activation_kind {
#define NORMD_ACTIVATION_ENUM(kind, function, reads_x) NORMD_ACTIVATION_##kind,
    NORMD_ACTIVATION_MAP(NORMD_ACTIVATION_ENUM)
#undef NORMD_ACTIVATION_ENUM
        NORMD_ACTIVATION_COUNT
} normd_activation_kind;

extern const normd_layer_operations normd_activation_operations[NORMD_ACTIVATION_COUNT];

/* Keras' Activation layer: {type: "activation", activation: "relu"} creates the layer of that name.
   Only `create` is ever used of it. */
extern const normd_layer_operations normd_activation_named_operations;

#endif
