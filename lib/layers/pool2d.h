// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_POOL2D_H
#define NORMD_LAYERS_POOL2D_H

#include "lib/layers/window.h"

/*
 * The largest value, or the mean, of a window that moves over each channel of images. The padding
 * is no candidate for the largest value, of which the first one counts; it counts as zeros in the
 * mean where count_include_pad says so, else the mean is over the values that are there. NaN
 * passes.
 */
extern const normd_layer_operations normd_max_pool2d_operations;
extern const normd_layer_operations normd_avg_pool2d_operations;

typedef struct normd_pool2d {
    normd_layer base;
    normd_window window;
    bool channels_last;
    bool count_include_pad;
} normd_pool2d;

/* The passes (pool2d_pass.c). */
normd_status normd_max_pool2d_forward(const normd_layer_pass *pass, normd_error *error);
void normd_max_pool2d_backward(const normd_layer_pass *pass);
normd_status normd_avg_pool2d_forward(const normd_layer_pass *pass, normd_error *error);
void normd_avg_pool2d_backward(const normd_layer_pass *pass);

#endif
