// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "lib/blas/gemm.h"
#include "lib/layers/channel_sums.h"
#include "lib/layers/conv2d_columns.h"

/*
 * For each block of pixels and each group, with dY (out, pixels) and columns X (depth, pixels):
 *
 *   dW += dY X^T     dX = W^T dY, which is added to dx where X came from
 */
typedef struct backward_loop {
    const normd_layer_pass *pass;
    const normd_conv2d *conv;
    normd_conv2d_plan plan;
    size_t size; /* bytes of an element */
} backward_loop;

/* What one lane works on. */
typedef struct lane_work {
    const backward_loop *loop;
    char *columns;
    char *weight; /* its sum of dW */
    const char *x;
    const char *dy; /* these of the image */
    char *dx;       /* or NULL */
} lane_work;

enum { SUM_PIECE = 1 << 12 };

/* The matrix of a direct group's pixels, in x or in dx. */
static size_t direct_place(const backward_loop *loop, const normd_conv2d_block *block, size_t group)
{
    const normd_images *images = &loop->plan.x;
    size_t channel = group * (loop->conv->in / loop->conv->groups);
    return (channel * images->channel_step + block->row * images->step[0]) * loop->size;
}

static size_t group_place(const backward_loop *loop, size_t group)
{
    size_t channel = group * (loop->conv->in / loop->conv->groups);
    return channel * loop->plan.x.channel_step * loop->size;
}

static void add_weight_gradient(
    const lane_work *work, const normd_conv2d_block *block, size_t group, const normd_matrix *dy)
{
    const backward_loop *loop = work->loop;
    const normd_conv2d *conv = loop->conv;
    const normd_images *images = &loop->plan.x;
    normd_matrix columns = {.data = work->columns, .stride = block->pixels};
    if (loop->plan.direct) {
        bool last = conv->channels_last;
        columns = (normd_matrix){
            .data = work->x + direct_place(loop, block, group),
            .stride = last ? images->channels : images->channel_step,
            .transposed = last,
        };
    } else {
        normd_conv2d_gather(block, work->x + group_place(loop, group), work->columns);
    }
    size_t outputs = conv->out / conv->groups;
    normd_gemm gemm = {
        .dtype = conv->base.dtype,
        .m = outputs,
        .n = loop->plan.depth,
        .k = block->pixels,
        .a = *dy,
        .b = normd_matrix_flip(columns),
        .c = work->weight + group * outputs * loop->plan.depth * loop->size,
        .c_stride = loop->plan.depth,
        .accumulates = true,
    };
    normd_gemm_run(&gemm);
}

static void add_dx(
    const lane_work *work, const normd_conv2d_block *block, size_t group, const normd_matrix *dy)
{
    const backward_loop *loop = work->loop;
    const normd_conv2d *conv = loop->conv;
    const normd_images *images = &loop->plan.x;
    const char *weight = loop->pass->parameters + conv->base.tensor[0].offset;
    size_t outputs = conv->out / conv->groups;
    normd_gemm gemm = {
        .dtype = conv->base.dtype,
        .m = loop->plan.depth,
        .n = block->pixels,
        .k = outputs,
        .a = {.data = weight + group * outputs * loop->plan.depth * loop->size,
            .stride = loop->plan.depth,
            .transposed = true},
        .b = *dy,
        .c = work->columns,
        .c_stride = block->pixels,
    };
    if (loop->plan.direct) {
        gemm.c = work->dx + direct_place(loop, block, group);
        gemm.c_stride = conv->channels_last ? images->channels : images->channel_step;
        gemm.c_transposed = conv->channels_last;
    }
    normd_gemm_run(&gemm);
    if (!loop->plan.direct) {
        normd_conv2d_scatter(block, work->columns, work->dx + group_place(loop, group));
    }
}

static void backward_block(const lane_work *work, const normd_conv2d_block *block)
{
    const backward_loop *loop = work->loop;
    const normd_conv2d *conv = loop->conv;
    const normd_images *y = &loop->plan.y;
    for (size_t group = 0; group < conv->groups; group++) {
        size_t first = group * (conv->out / conv->groups);
        size_t place = first * y->channel_step + block->row * y->step[0];
        normd_matrix dy = {
            .data = work->dy + place * loop->size,
            .stride = conv->channels_last ? conv->out : y->channel_step,
            .transposed = conv->channels_last,
        };
        if (conv->trainable) {
            add_weight_gradient(work, block, group, &dy);
        }
        if (work->dx != NULL) {
            add_dx(work, block, group, &dy);
        }
    }
}

static void backward_lane(void *argument, size_t lane)
{
    const backward_loop *loop = argument;
    const normd_conv2d_plan *plan = &loop->plan;
    const normd_layer_pass *pass = loop->pass;
    size_t columns = plan->backward_lanes * plan->columns_bytes;
    lane_work work = {
        .loop = loop,
        .columns = (char *)pass->scratch + lane * plan->columns_bytes,
        .weight = (char *)pass->scratch + columns + lane * plan->weight_bytes,
    };
    memset(work.weight, 0, plan->weight_bytes);
    size_t end = normd_conv2d_share(plan->x.images, lane + 1, plan->backward_lanes);
    size_t image = normd_conv2d_share(plan->x.images, lane, plan->backward_lanes);
    for (; image < end; image++) {
        size_t x = image * plan->x.image_step * loop->size;
        work.x = (const char *)pass->x + x;
        work.dy = (const char *)pass->dy + image * plan->y.image_step * loop->size;
        work.dx = pass->dx == NULL ? NULL : (char *)pass->dx + x;
        if (work.dx != NULL && !plan->direct) {
            memset(work.dx, 0, plan->x.image_step * loop->size);
        }
        for (size_t i = 0; i < plan->blocks; i++) {
            normd_conv2d_block block = normd_conv2d_block_of(loop->conv, plan, i);
            backward_block(&work, &block);
        }
    }
}

/* dW: the lanes' sums, added up in double in their order. */
static void sum_piece(void *argument, size_t piece)
{
    const backward_loop *loop = argument;
    const normd_conv2d_plan *plan = &loop->plan;
    const normd_layer_tensor *weight = &loop->conv->base.tensor[0];
    normd_dtype dtype = loop->conv->base.dtype;
    const char *sums =
        (const char *)loop->pass->scratch + plan->backward_lanes * plan->columns_bytes;
    size_t begin = piece * SUM_PIECE;
    size_t end = weight->elements - begin < SUM_PIECE ? weight->elements : begin + SUM_PIECE;
    for (size_t i = begin; i < end; i++) {
        double sum = 0.0;
        for (size_t lane = 0; lane < plan->backward_lanes; lane++) {
            sum += normd_value_load(dtype, sums + lane * plan->weight_bytes, i);
        }
        normd_value_store(dtype, loop->pass->gradients + weight->offset, i, sum);
    }
}

static void parameter_gradients(backward_loop *loop)
{
    const normd_conv2d *conv = loop->conv;
    const normd_images *y = &loop->plan.y;
    const normd_compute *compute = loop->pass->compute;
    size_t elements = conv->base.tensor[0].elements;
    size_t pieces = elements / SUM_PIECE + (elements % SUM_PIECE != 0);
    normd_compute_tiles(compute, elements * loop->plan.backward_lanes, pieces, sum_piece, loop);
    if (conv->bias) {
        size_t pixels = y->extent[0] * y->extent[1];
        normd_channel_sums_run(
            compute, &(normd_channel_sums){
                         .arrays = 1,
                         .outer = conv->channels_last ? y->images * pixels : y->images,
                         .channels = conv->out,
                         .inner = conv->channels_last ? 1 : pixels,
                         .divisor = 1.0,
                         .values = loop->pass->dy,
                         .sums = loop->pass->gradients + conv->base.tensor[1].offset,
                     });
    }
}

void normd_conv2d_backward(const normd_layer_pass *pass)
{
    backward_loop loop = {
        .pass = pass,
        .conv = (const normd_conv2d *)pass->layer,
        .size = normd_dtype_size(pass->layer->dtype),
    };
    if (!loop.conv->trainable && pass->dx == NULL) {
        return;
    }
    bool fits = normd_conv2d_plan_of(loop.conv, &pass->shape, &loop.plan);
    (void)fits;
    size_t work = pass->layer->operations->cost(pass->layer, &pass->shape);
    normd_compute_tiles(pass->compute, work, loop.plan.backward_lanes, backward_lane, &loop);
    if (loop.conv->trainable) {
        parameter_gradients(&loop);
    }
}
