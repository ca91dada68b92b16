// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/pool2d.h"

#include <string.h>

/* Some channels of one image are one tile: in backward, windows that overlap add to one dx. */
typedef struct pool_loop {
    const normd_pool2d *pool;
    normd_images from, to; /* x and y */
    size_t before[2];      /* padding */
    size_t block;          /* channels of a tile */
    size_t blocks;         /* of an image */
    const void *x;
    void *y;
    const void *dy;
    void *dx;
} pool_loop;

/* The part of a window that lies on the image: rows and columns, and what a mean divides by. */
typedef struct window_part {
    size_t begin[2], end[2];
    double count;
} window_part;

/* Where one channel of an image begins in x, and one of its outputs in y. */
typedef struct pool_place {
    size_t x, y;
} pool_place;

typedef void (*pool_function)(
    const pool_loop *loop, const pool_place *place, const window_part *part);

/* A window always holds a value: padding is less than the kernel. */
static window_part part_of(const pool_loop *loop, size_t row, size_t column)
{
    const normd_window *window = &loop->pool->window;
    const size_t at[2] = {row, column};
    window_part part;
    for (size_t axis = 0; axis < 2; axis++) {
        size_t begin = at[axis] * window->stride[axis]; /* counted in the padded image */
        size_t end = begin + window->kernel[axis];
        size_t before = loop->before[axis];
        part.begin[axis] = begin > before ? begin - before : 0;
        part.end[axis] = end - before;
        if (part.end[axis] > loop->from.extent[axis]) {
            part.end[axis] = loop->from.extent[axis];
        }
    }
    size_t area = loop->pool->count_include_pad
                      ? window->kernel[0] * window->kernel[1]
                      : (part.end[0] - part.begin[0]) * (part.end[1] - part.begin[1]);
    part.count = (double)area;
    return part;
}

/* Calls the function for each output of the channels, in the order in which x lies. */
static inline void walk(
    const pool_loop *loop, size_t image, size_t begin, size_t end, pool_function function)
{
    const normd_images *to = &loop->to;
    bool last = loop->pool->channels_last;
    size_t planes = last ? 1 : end - begin;
    size_t together = last ? end - begin : 1;
    for (size_t plane = 0; plane < planes; plane++) {
        for (size_t row = 0; row < to->extent[0]; row++) {
            for (size_t column = 0; column < to->extent[1]; column++) {
                window_part part = part_of(loop, row, column);
                size_t pixel = row * to->step[0] + column * to->step[1];
                for (size_t i = 0; i < together; i++) {
                    size_t channel = begin + plane + i;
                    pool_place place = {
                        .x = image * loop->from.image_step + channel * loop->from.channel_step,
                        .y = image * to->image_step + channel * to->channel_step + pixel,
                    };
                    function(loop, &place, &part);
                }
            }
        }
    }
}

#define REAL float
#define OF(name) name##_f32
#include "lib/layers/pool2d_loops.h"
#undef REAL
#undef OF
#define REAL double
#define OF(name) name##_f64
#include "lib/layers/pool2d_loops.h"
#undef REAL
#undef OF

enum { TILE_VALUES = 1 << 13 }; /* about what a tile reads */

static void run(const normd_layer_pass *pass, normd_tile_function f32, normd_tile_function f64)
{
    const normd_pool2d *pool = (const normd_pool2d *)pass->layer;
    pool_loop loop = {
        .pool = pool,
        .from = normd_images_of(&pass->shape, pool->channels_last),
        .to = normd_images_of(&pass->y_shape, pool->channels_last),
        .x = pass->x,
        .y = pass->y,
        .dy = pass->dy,
        .dx = pass->dx,
    };
    for (size_t axis = 0; axis < 2; axis++) {
        size_t outputs;
        bool fits = normd_window_place(
            &pool->window, axis, loop.from.extent[axis], &outputs, &loop.before[axis]);
        (void)fits; /* the shape was checked */
    }
    size_t pixels = loop.from.extent[0] * loop.from.extent[1];
    size_t most = (TILE_VALUES + pixels - 1) / pixels;
    size_t channels = loop.from.channels;
    loop.block = most < channels ? most : channels;
    loop.blocks = channels / loop.block + (channels % loop.block != 0);
    size_t work = pass->layer->operations->cost(pass->layer, &pass->shape);
    normd_compute_tiles(pass->compute, work, loop.from.images * loop.blocks,
        pass->compute->dtype == NORMD_F32 ? f32 : f64, &loop);
}

normd_status normd_max_pool2d_forward(const normd_layer_pass *pass, normd_error *error)
{
    (void)error;
    run(pass, max_forward_tile_f32, max_forward_tile_f64);
    return NORMD_OK;
}

void normd_max_pool2d_backward(const normd_layer_pass *pass)
{
    if (pass->dx != NULL) {
        run(pass, max_backward_tile_f32, max_backward_tile_f64);
    }
}

normd_status normd_avg_pool2d_forward(const normd_layer_pass *pass, normd_error *error)
{
    (void)error;
    run(pass, avg_forward_tile_f32, avg_forward_tile_f64);
    return NORMD_OK;
}

void normd_avg_pool2d_backward(const normd_layer_pass *pass)
{
    if (pass->dx != NULL) {
        run(pass, avg_backward_tile_f32, avg_backward_tile_f64);
    }
}
