// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_CONV2D_H
#define NORMD_LAYERS_CONV2D_H

#include "lib/layers/window.h"

/*
 * Convolution of images (cross-correlation, as the frameworks have it), with weight W (out,
 * in / groups, height, width) and bias b (out):
 *
 *   y[n, o, p] = b[o] + sum over c, k of W[o, c, k] x[n, c, stride p + dilation k - padding]
 *
 * The values that a window covers become columns of a matrix, (in / groups height width) x pixels,
 * and BLAS multiplies W by it, for some rows of one image at a time. Where the window is 1 x 1, x
 * is that matrix itself.
 */
extern const normd_layer_operations normd_conv2d_operations;

typedef struct normd_conv2d {
    normd_layer base;
    normd_window window;
    size_t in, out, groups;
    bool channels_last;
    bool bias;
    bool trainable;
} normd_conv2d;

/*
 * How the work over a batch of one shape is cut, by the shape alone. A lane is a tile of the pool's
 * loop, with scratch memory of its own: columns and, in backward, its own sum of dW. The lanes'
 * sums are added up in their order, so that the bits do not depend on threads.
 */
typedef struct normd_conv2d_plan {
    normd_images x, y;
    size_t before[2]; /* padding */
    size_t depth;     /* rows of the columns of one group */
    bool direct;      /* x is the columns */
    size_t rows;      /* of the output, that are computed together */
    size_t blocks;    /* of rows, of one image */
    size_t columns_bytes;
    size_t weight_bytes;
    size_t forward_lanes;  /* over the blocks of all images */
    size_t backward_lanes; /* over the images */
} normd_conv2d_plan;

/* False when the sizes overflow. */
bool normd_conv2d_plan_of(const normd_conv2d *conv, const normd_shape *x, normd_conv2d_plan *plan);

/* The lane's share of `items`: from its begin to the next one's. */
static inline size_t normd_conv2d_share(size_t items, size_t lane, size_t lanes)
{
    return items / lanes * lane + (items % lanes < lane ? items % lanes : lane);
}

/* The passes (conv2d_forward.c, conv2d_backward.c). */
normd_status normd_conv2d_forward(const normd_layer_pass *pass, normd_error *error);
void normd_conv2d_backward(const normd_layer_pass *pass);

#endif
