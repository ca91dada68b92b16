// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_LINEAR_H
#define NORMD_LAYERS_LINEAR_H

#include "lib/layers/layer.h"

/*
 * y = x W^T + b: x (N, ..., in), weight W (out, in), bias b (out), y (N, ..., out), all row-major,
 * as torch.nn.Linear and keras.layers.Dense have it: each place along the first axes is a row.
 * Backward: dW = dy^T x, db = sum of dy over the rows, dx = dy W.
 */
extern const normd_layer_operations normd_linear_operations;

typedef struct normd_linear {
    normd_layer base;
    size_t in;
    size_t out;
    bool bias;
    bool trainable;
    uint32_t rank; /* of x and y as far as the session was told; else 2 */
} normd_linear;

/* The rows of an x that the layer takes: the product of all its extents but the last. */
size_t normd_linear_rows(const normd_shape *x);

/* The passes (linear_pass.c). */
normd_status normd_linear_forward(const normd_layer_pass *pass, normd_error *error);
void normd_linear_backward(const normd_layer_pass *pass);

#endif
