// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/conv2d_columns.h"

#include <string.h>

/* Where one value of W meets one row of the output: which row of x, and for which outputs (from
   `begin` up to `end`) that is no padding. */
typedef struct meeting {
    bool inside; /* the row is one of x */
    size_t begin, end;
    size_t x; /* element of x within its channel that output `begin` meets */
} meeting;

static meeting meet(const normd_conv2d_block *block, size_t ky, size_t kx, size_t row)
{
    const normd_window *window = &block->conv->window;
    const normd_images *x = &block->plan->x;
    const size_t *before = block->plan->before;
    size_t width = block->plan->y.extent[1];
    size_t stride = window->stride[1];
    size_t down = row * window->stride[0] + ky * window->dilation[0];
    size_t right = kx * window->dilation[1];
    meeting m = {.inside = down >= before[0] && down - before[0] < x->extent[0]};
    if (right < before[1]) {
        m.begin = (before[1] - right + stride - 1) / stride;
    }
    size_t last = x->extent[1] + before[1]; /* the first padded position behind */
    m.end = right < last ? (last - right + stride - 1) / stride : 0;
    m.end = m.end < width ? m.end : width;
    m.begin = m.begin < m.end ? m.begin : m.end;
    if (m.inside && m.begin < m.end) {
        size_t column = m.begin * stride + right - before[1];
        m.x = (down - before[0]) * x->step[0] + column * x->step[1];
    }
    return m;
}

#define COLUMNS(suffix, type)                                                                      \
    static void gather_row_##suffix(                                                               \
        const meeting *m, const type *x, size_t step, type *to, size_t width)                      \
    {                                                                                              \
        size_t begin = m->inside ? m->begin : width;                                               \
        size_t end = m->inside ? m->end : width;                                                   \
        memset(to, 0, begin * sizeof *to);                                                         \
        if (step == 1) {                                                                           \
            memcpy(to + begin, x + m->x, (end - begin) * sizeof *to);                              \
        } else {                                                                                   \
            for (size_t i = begin; i < end; i++) {                                                 \
                to[i] = x[m->x + (i - begin) * step];                                              \
            }                                                                                      \
        }                                                                                          \
        memset(to + end, 0, (width - end) * sizeof *to);                                           \
    }                                                                                              \
    static void scatter_row_##suffix(const meeting *m, const type *from, size_t step, type *dx)    \
    {                                                                                              \
        for (size_t i = m->begin; m->inside && i < m->end; i++) {                                  \
            dx[m->x + (i - m->begin) * step] += from[i];                                           \
        }                                                                                          \
    }                                                                                              \
    static void gather_value_##suffix(                                                             \
        const normd_conv2d_block *block, size_t ky, size_t kx, const type *x, type *to)            \
    {                                                                                              \
        size_t width = block->plan->y.extent[1];                                                   \
        size_t step = block->plan->x.step[1] * block->conv->window.stride[1];                      \
        for (size_t r = 0; r < block->rows; r++) {                                                 \
            meeting m = meet(block, ky, kx, block->row + r);                                       \
            gather_row_##suffix(&m, x, step, to + r * width, width);                               \
        }                                                                                          \
    }                                                                                              \
    static void scatter_value_##suffix(                                                            \
        const normd_conv2d_block *block, size_t ky, size_t kx, const type *from, type *dx)         \
    {                                                                                              \
        size_t width = block->plan->y.extent[1];                                                   \
        size_t step = block->plan->x.step[1] * block->conv->window.stride[1];                      \
        for (size_t r = 0; r < block->rows; r++) {                                                 \
            meeting m = meet(block, ky, kx, block->row + r);                                       \
            scatter_row_##suffix(&m, from + r * width, step, dx);                                  \
        }                                                                                          \
    }

COLUMNS(f32, float)
COLUMNS(f64, double)

/* The columns' rows: channel, then height and width of the window, as W's values lie. */
typedef struct value_place {
    size_t channel, ky, kx;
} value_place;

static value_place place_of(const normd_conv2d *conv, size_t k)
{
    const size_t *kernel = conv->window.kernel;
    size_t area = kernel[0] * kernel[1];
    return (value_place){k / area, k % area / kernel[1], k % kernel[1]};
}

void normd_conv2d_gather(const normd_conv2d_block *block, const void *x, void *columns)
{
    bool f32 = block->conv->base.dtype == NORMD_F32;
    for (size_t k = 0; k < block->plan->depth; k++) {
        value_place at = place_of(block->conv, k);
        size_t from = at.channel * block->plan->x.channel_step;
        size_t to = k * block->pixels;
        if (f32) {
            gather_value_f32(block, at.ky, at.kx, (const float *)x + from, (float *)columns + to);
        } else {
            gather_value_f64(block, at.ky, at.kx, (const double *)x + from, (double *)columns + to);
        }
    }
}

void normd_conv2d_scatter(const normd_conv2d_block *block, const void *columns, void *dx)
{
    bool f32 = block->conv->base.dtype == NORMD_F32;
    for (size_t k = 0; k < block->plan->depth; k++) {
        value_place at = place_of(block->conv, k);
        size_t from = k * block->pixels;
        size_t to = at.channel * block->plan->x.channel_step;
        if (f32) {
            scatter_value_f32(block, at.ky, at.kx, (const float *)columns + from, (float *)dx + to);
        } else {
            scatter_value_f64(
                block, at.ky, at.kx, (const double *)columns + from, (double *)dx + to);
        }
    }
}
