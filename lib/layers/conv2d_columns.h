// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_CONV2D_COLUMNS_H
#define NORMD_LAYERS_CONV2D_COLUMNS_H

#include "lib/layers/conv2d.h"

/* Some rows of the output of one image and one group, and their columns: element (k, p) of these,
   at k pixels + p, is what W's k-th value meets at pixel p. */
typedef struct normd_conv2d_block {
    const normd_conv2d *conv;
    const normd_conv2d_plan *plan;
    size_t row, rows; /* of the output */
    size_t pixels;    /* rows x width */
} normd_conv2d_block;

/* Block `index` of an image. */
static inline normd_conv2d_block normd_conv2d_block_of(
    const normd_conv2d *conv, const normd_conv2d_plan *plan, size_t index)
{
    size_t row = index * plan->rows;
    size_t left = plan->y.extent[0] - row;
    size_t rows = left < plan->rows ? left : plan->rows;
    return (normd_conv2d_block){conv, plan, row, rows, rows * plan->y.extent[1]};
}

/* Fills the columns from the image's channels of the group, which begin at `x`; 0 where the window
   is over padding. */
void normd_conv2d_gather(const normd_conv2d_block *block, const void *x, void *columns);
/* Adds the columns to where their values came from. */
void normd_conv2d_scatter(const normd_conv2d_block *block, const void *columns, void *dx);

#endif
