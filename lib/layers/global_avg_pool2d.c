// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/global_avg_pool2d.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/layers/channel_sums.h"

typedef struct global_pool {
    normd_layer base;
    bool channels_last;
    bool keepdims;
} global_pool;

static normd_shape output_of(const global_pool *pool, size_t images, size_t channels)
{
    static const size_t one[2] = {1, 1};
    return pool->keepdims ? normd_images_shape(images, channels, one, pool->channels_last)
                          : (normd_shape){2, {images, channels}};
}

static normd_layer *global_create(const normd_layer_source *source)
{
    normd_options *options = source->options;
    global_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    pool->base.operations = &normd_global_avg_pool2d_operations;
    pool->base.dtype = source->dtype;
    pool->channels_last = normd_images_read_format(source);
    /* What PyTorch's layer is told, which only has one value here. */
    size_t size[2] = {1, 1};
    normd_images_read_pair(options, "output_size", 1, 1, size);
    pool->keepdims = normd_options_bool(options, "keepdims", source->convention == NORMD_PYTORCH);
    normd_images before = normd_images_before(source, pool->channels_last);
    source->flow->shape = output_of(pool, 0, before.channels);
    source->flow->features = before.channels;
    return &pool->base;
}

static void global_destroy(normd_layer *layer)
{
    free(layer);
}

static json_t *global_describe(const normd_layer *layer, normd_convention convention)
{
    (void)convention;
    const global_pool *pool = (const global_pool *)layer;
    return json_pack("{s:s, s:s, s:b}", "type", layer->operations->type, "data_format",
        normd_images_format_name(pool->channels_last), "keepdims", (int)pool->keepdims);
}

static bool global_output_shape(
    const normd_layer *layer, const normd_shape *x, normd_shape *y, char *text)
{
    const global_pool *pool = (const global_pool *)layer;
    bool ok = x->rank == 4;
    if (ok) {
        normd_images images = normd_images_of(x, pool->channels_last);
        *y = output_of(pool, images.images, images.channels);
        ok = images.extent[0] > 0 && images.extent[1] > 0;
    }
    if (!ok) {
        snprintf(text, NORMD_SHAPE_TEXT_BYTES, "%s",
            pool->channels_last ? "(N, height, width, channels)" : "(N, channels, height, width)");
    }
    return ok;
}

static normd_status global_forward(const normd_layer_pass *pass, normd_error *error)
{
    (void)error;
    bool last = ((const global_pool *)pass->layer)->channels_last;
    normd_images images = normd_images_of(&pass->shape, last);
    size_t pixels = images.extent[0] * images.extent[1];
    normd_channel_sums_run(pass->compute, &(normd_channel_sums){
                                              .arrays = images.images,
                                              .outer = last ? pixels : 1,
                                              .channels = images.channels,
                                              .inner = last ? 1 : pixels,
                                              .divisor = (double)pixels,
                                              .values = pass->x,
                                              .sums = pass->y,
                                          });
    return NORMD_OK;
}

typedef struct spread_loop {
    normd_images images;
    const void *dy;
    void *dx;
} spread_loop;

/* Each value of an image's dx: the channel's dy over the number of pixels. */
#define SPREAD(suffix, type)                                                                       \
    static void spread_##suffix(void *argument, size_t image)                                      \
    {                                                                                              \
        const spread_loop *loop = argument;                                                        \
        const normd_images *images = &loop->images;                                                \
        size_t pixels = images->extent[0] * images->extent[1];                                     \
        const type *dy = (const type *)loop->dy + image * images->channels;                        \
        type *dx = (type *)loop->dx + image * images->image_step;                                  \
        for (size_t i = 0; i < images->image_step; i++) {                                          \
            size_t channel = images->channel_step == 1 ? i % images->channels : i / pixels;        \
            dx[i] = dy[channel] / (type)pixels;                                                    \
        }                                                                                          \
    }

SPREAD(f32, float)
SPREAD(f64, double)

static void global_backward(const normd_layer_pass *pass)
{
    if (pass->dx == NULL) {
        return;
    }
    const global_pool *pool = (const global_pool *)pass->layer;
    spread_loop loop = {
        .images = normd_images_of(&pass->shape, pool->channels_last),
        .dy = pass->dy,
        .dx = pass->dx,
    };
    size_t work = loop.images.images * loop.images.image_step;
    normd_compute_tiles(pass->compute, work, loop.images.images,
        pass->compute->dtype == NORMD_F32 ? spread_f32 : spread_f64, &loop);
}

static uint64_t global_cost(const normd_layer *layer, const normd_shape *x)
{
    (void)layer;
    size_t elements = 0;
    return normd_shape_elements(x, &elements) ? elements : UINT64_MAX;
}

const normd_layer_operations normd_global_avg_pool2d_operations = {
    .type = "global_avg_pool2d",
    .create = global_create,
    .destroy = global_destroy,
    .describe = global_describe,
    .output_shape = global_output_shape,
    .forward = global_forward,
    .infer = global_forward,
    .backward = global_backward,
    .cost = global_cost,
};
