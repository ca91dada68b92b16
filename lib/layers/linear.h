// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_LINEAR_H
#define NORMD_LAYERS_LINEAR_H

#include "lib/layers/layer.h"

/*
 * y = x W^T + b: x (N, in), weight W (out, in), bias b (out), y (N, out), all row-major.
 * Backward: dW = dy^T x, db = sum of dy over the rows, dx = dy W.
 */
extern const normd_layer_operations normd_linear_operations;

typedef struct normd_linear {
    normd_layer base;
    size_t in;
    size_t out;
    bool bias;
    bool trainable;
} normd_linear;

/* The passes (linear_pass.c). */
normd_status normd_linear_forward(const normd_layer_pass *pass, normd_error *error);
void normd_linear_backward(const normd_layer_pass *pass);

#endif
