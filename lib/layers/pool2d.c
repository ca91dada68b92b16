// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/pool2d.h"

#include <stdlib.h>

/* Keras' MaxPooling2D has a default, its AveragePooling2D none. */
static const normd_window_rules max_rules = {
    .kernel_name = {"kernel_size", "pool_size"},
    .kernel_default = 2,
    .pools = true,
};
static const normd_window_rules avg_rules = {
    .kernel_name = {"kernel_size", "pool_size"},
    .pools = true,
};

static normd_pool2d *create(const normd_layer_source *source,
    const normd_layer_operations *operations, const normd_window_rules *rules)
{
    normd_pool2d *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    pool->base.operations = operations;
    pool->base.dtype = source->dtype;
    pool->channels_last = normd_images_read_format(source);
    normd_images before = normd_images_before(source, pool->channels_last);
    normd_window_read(&pool->window, source, rules);
    normd_window_flow(&pool->window, source, &before, before.channels, pool->channels_last);
    return pool;
}

static normd_layer *max_create(const normd_layer_source *source)
{
    normd_pool2d *pool = create(source, &normd_max_pool2d_operations, &max_rules);
    return pool == NULL ? NULL : &pool->base;
}

static normd_layer *avg_create(const normd_layer_source *source)
{
    normd_pool2d *pool = create(source, &normd_avg_pool2d_operations, &avg_rules);
    if (pool == NULL) {
        return NULL;
    }
    bool pytorch = source->convention == NORMD_PYTORCH;
    pool->count_include_pad = normd_options_bool(source->options, "count_include_pad", pytorch);
    return &pool->base;
}

static void pool2d_destroy(normd_layer *layer)
{
    free(layer);
}

static json_t *max_describe(const normd_layer *layer, normd_convention convention)
{
    const normd_pool2d *pool = (const normd_pool2d *)layer;
    json_t *map = json_pack("{s:s, s:s}", "type", layer->operations->type, "data_format",
        normd_images_format_name(pool->channels_last));
    if (map == NULL || !normd_window_put(map, &pool->window, convention, &max_rules)) {
        json_decref(map);
        return NULL;
    }
    return map;
}

static json_t *avg_describe(const normd_layer *layer, normd_convention convention)
{
    const normd_pool2d *pool = (const normd_pool2d *)layer;
    json_t *map = max_describe(layer, convention);
    if (map == NULL ||
        !normd_layer_put(map, "count_include_pad", json_boolean(pool->count_include_pad))) {
        json_decref(map);
        return NULL;
    }
    return map;
}

static bool pool2d_output_shape(
    const normd_layer *layer, const normd_shape *x, normd_shape *y, char *text)
{
    const normd_pool2d *pool = (const normd_pool2d *)layer;
    return normd_window_output_shape(&pool->window, x, 0, 0, pool->channels_last, y, text);
}

static uint64_t pool2d_cost(const normd_layer *layer, const normd_shape *x)
{
    const normd_pool2d *pool = (const normd_pool2d *)layer;
    uint64_t area = (uint64_t)pool->window.kernel[0] * pool->window.kernel[1];
    normd_shape y;
    char text[NORMD_SHAPE_TEXT_BYTES];
    size_t outputs;
    uint64_t cost;
    if (!pool2d_output_shape(layer, x, &y, text) || !normd_shape_elements(&y, &outputs) ||
        __builtin_mul_overflow(area, outputs, &cost)) {
        return UINT64_MAX;
    }
    return cost;
}

const normd_layer_operations normd_max_pool2d_operations = {
    .type = "max_pool2d",
    .backward_reads_x = true,
    .create = max_create,
    .destroy = pool2d_destroy,
    .describe = max_describe,
    .output_shape = pool2d_output_shape,
    .forward = normd_max_pool2d_forward,
    .infer = normd_max_pool2d_forward,
    .backward = normd_max_pool2d_backward,
    .cost = pool2d_cost,
};

const normd_layer_operations normd_avg_pool2d_operations = {
    .type = "avg_pool2d",
    .create = avg_create,
    .destroy = pool2d_destroy,
    .describe = avg_describe,
    .output_shape = pool2d_output_shape,
    .forward = normd_avg_pool2d_forward,
    .infer = normd_avg_pool2d_forward,
    .backward = normd_avg_pool2d_backward,
    .cost = pool2d_cost,
};
