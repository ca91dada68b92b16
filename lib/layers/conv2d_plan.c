// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/conv2d.h"

enum {
    MOST_LANES = 64,
    ENOUGH_BLOCKS = 16,        /* that a batch is cut into where it has fewer images */
    COLUMNS_BYTES = 512 << 10, /* so that a second-level cache holds a block's columns */
    LANES_BYTES = 128 << 20,   /* of scratch in backward, but for one lane */
};

/* Rows of the output whose columns are about COLUMNS_BYTES, and fewer where images are few. */
static size_t rows_together(const normd_conv2d_plan *plan, size_t row_bytes)
{
    size_t height = plan->y.extent[0];
    size_t rows = row_bytes == 0 ? height : COLUMNS_BYTES / row_bytes; /* 0: lazy */
    size_t images = plan->x.images;
    if (images < ENOUGH_BLOCKS) {
        size_t cuts = images == 0 ? 1 : (ENOUGH_BLOCKS + images - 1) / images;
        size_t share = (height + cuts - 1) / cuts;
        rows = rows < share ? rows : share;
    }
    rows = rows < height ? rows : height;
    return rows > 0 ? rows : 1;
}

static size_t at_most(size_t number, size_t most)
{
    size_t least = number < most ? number : most;
    return least > 0 ? least : 1;
}

bool normd_conv2d_plan_of(const normd_conv2d *conv, const normd_shape *x, normd_conv2d_plan *plan)
{
    const normd_window *window = &conv->window;
    const normd_layer_tensor *weight = &conv->base.tensor[0];
    size_t size = normd_dtype_size(conv->base.dtype);
    *plan = (normd_conv2d_plan){.x = normd_images_of(x, conv->channels_last)};
    size_t extent[2] = {0, 0};
    plan->direct = !window->same;
    for (size_t axis = 0; axis < 2; axis++) {
        if (!normd_window_place(
                window, axis, plan->x.extent[axis], &extent[axis], &plan->before[axis])) {
            return false;
        }
        plan->direct = plan->direct && window->kernel[axis] == 1 && window->stride[axis] == 1 &&
                       window->padding[axis] == 0;
    }
    normd_shape y = normd_images_shape(x->dim[0], conv->out, extent, conv->channels_last);
    plan->y = normd_images_of(&y, conv->channels_last);
    plan->depth = weight->elements / conv->out;
    size_t row_bytes;
    if (__builtin_mul_overflow(plan->depth * size, extent[1], &row_bytes)) {
        return false;
    }
    plan->rows = rows_together(plan, row_bytes);
    plan->blocks = extent[0] / plan->rows + (extent[0] % plan->rows != 0);
    size_t items;
    if (__builtin_mul_overflow(plan->rows, row_bytes, &plan->columns_bytes) ||
        plan->columns_bytes > SIZE_MAX / (4 * MOST_LANES) ||
        __builtin_mul_overflow(plan->blocks, x->dim[0], &items)) {
        return false;
    }
    plan->columns_bytes = plan->direct ? 0 : normd_round_to_line(plan->columns_bytes);
    plan->weight_bytes = conv->trainable ? normd_round_to_line(weight->elements * size) : 0;
    size_t lane_bytes = plan->columns_bytes + plan->weight_bytes;
    size_t lanes = lane_bytes == 0 ? MOST_LANES : at_most(LANES_BYTES / lane_bytes, MOST_LANES);
    plan->forward_lanes = at_most(items, MOST_LANES);
    plan->backward_lanes = at_most(x->dim[0], lanes);
    return true;
}
