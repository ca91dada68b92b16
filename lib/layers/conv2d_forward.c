// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "lib/blas/gemm.h"
#include "lib/layers/conv2d_columns.h"

typedef struct forward_loop {
    const normd_layer_pass *pass;
    const normd_conv2d *conv;
    normd_conv2d_plan plan;
    size_t size; /* bytes of an element */
} forward_loop;

/* The outputs of a block start with the bias. */
static void start_with_bias(const forward_loop *loop, const normd_conv2d_block *block, char *y)
{
    const normd_conv2d *conv = loop->conv;
    const char *bias = loop->pass->parameters + conv->base.tensor[1].offset;
    if (conv->channels_last) {
        for (size_t p = 0; p < block->pixels; p++) {
            memcpy(y + p * conv->out * loop->size, bias, conv->out * loop->size);
        }
        return;
    }
    for (size_t o = 0; o < conv->out; o++) {
        char *run = y + o * loop->plan.y.channel_step * loop->size;
        for (size_t p = 0; p < block->pixels; p++) {
            memcpy(run + p * loop->size, bias + o * loop->size, loop->size);
        }
    }
}

/* The columns of a group: gathered into `columns`, or x itself. `x` is the image. */
static normd_matrix columns_of(const forward_loop *loop, const normd_conv2d_block *block,
    size_t group, const char *x, char *columns)
{
    const normd_images *images = &loop->plan.x;
    const normd_conv2d *conv = loop->conv;
    size_t channel = group * (conv->in / conv->groups);
    x += channel * images->channel_step * loop->size;
    if (!loop->plan.direct) {
        normd_conv2d_gather(block, x, columns);
        return (normd_matrix){.data = columns, .stride = block->pixels};
    }
    bool last = conv->channels_last;
    return (normd_matrix){
        .data = x + block->row * images->step[0] * loop->size,
        .stride = last ? images->channels : images->channel_step,
        .transposed = last,
    };
}

static void compute_block(
    const forward_loop *loop, const normd_conv2d_block *block, size_t image, char *columns)
{
    const normd_conv2d *conv = loop->conv;
    const normd_conv2d_plan *plan = &loop->plan;
    const char *x = (const char *)loop->pass->x + image * plan->x.image_step * loop->size;
    char *y = (char *)loop->pass->y +
              (image * plan->y.image_step + block->row * plan->y.step[0]) * loop->size;
    if (conv->bias) {
        start_with_bias(loop, block, y);
    }
    size_t outputs = conv->out / conv->groups;
    const char *weight = loop->pass->parameters + conv->base.tensor[0].offset;
    for (size_t group = 0; group < conv->groups; group++) {
        size_t first = group * outputs;
        normd_gemm gemm = {
            .dtype = conv->base.dtype,
            .m = outputs,
            .n = block->pixels,
            .k = plan->depth,
            .a = {.data = weight + first * plan->depth * loop->size, .stride = plan->depth},
            .b = columns_of(loop, block, group, x, columns),
            .c = y + first * plan->y.channel_step * loop->size,
            .c_stride = conv->channels_last ? conv->out : plan->y.channel_step,
            .c_transposed = conv->channels_last,
            .accumulates = conv->bias,
        };
        normd_gemm_run(&gemm);
    }
}

static void forward_lane(void *argument, size_t lane)
{
    const forward_loop *loop = argument;
    const normd_conv2d_plan *plan = &loop->plan;
    char *columns = (char *)loop->pass->scratch + lane * plan->columns_bytes;
    size_t items = plan->x.images * plan->blocks;
    size_t end = normd_conv2d_share(items, lane + 1, plan->forward_lanes);
    for (size_t i = normd_conv2d_share(items, lane, plan->forward_lanes); i < end; i++) {
        normd_conv2d_block block = normd_conv2d_block_of(loop->conv, plan, i % plan->blocks);
        compute_block(loop, &block, i / plan->blocks, columns);
    }
}

normd_status normd_conv2d_forward(const normd_layer_pass *pass, normd_error *error)
{
    (void)error;
    forward_loop loop = {
        .pass = pass,
        .conv = (const normd_conv2d *)pass->layer,
        .size = normd_dtype_size(pass->layer->dtype),
    };
    /* The sizes were checked when memory was asked for. */
    bool fits = normd_conv2d_plan_of(loop.conv, &pass->shape, &loop.plan);
    (void)fits;
    size_t work = pass->layer->operations->cost(pass->layer, &pass->shape);
    normd_compute_tiles(pass->compute, work, loop.plan.forward_lanes, forward_lane, &loop);
    return NORMD_OK;
}
