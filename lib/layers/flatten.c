// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/flatten.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct flatten {
    normd_layer base;
    uint32_t start;
} flatten;

/* False when the axes cannot be counted. An extent of 0 (free) makes the product 0. */
static bool flatten_shape(const flatten *layer, const normd_shape *x, normd_shape *y)
{
    *y = *x;
    if (x->rank <= layer->start) {
        return false;
    }
    y->rank = layer->start + 1;
    for (uint32_t axis = y->rank; axis < x->rank; axis++) {
        if (__builtin_mul_overflow(y->dim[layer->start], x->dim[axis], &y->dim[layer->start])) {
            return false;
        }
    }
    return true;
}

/* Where the first axes are folded, what was known of the features is no more. */
static void flow_through(const flatten *layer, const normd_layer_source *source)
{
    normd_flow *flow = source->flow;
    normd_shape after;
    if (flow->shape.rank == 0) {
        flow->features = 0;
        return;
    }
    if (!flatten_shape(layer, &flow->shape, &after)) {
        char got[NORMD_SHAPE_TEXT_BYTES];
        normd_options_fail(source->options, "start_dim",
            "expected an axis of the input, which has the shape %s, got %u",
            normd_flow_format(flow, got, sizeof got), layer->start);
        return;
    }
    flow->shape = after;
    flow->features = after.rank == 2 ? after.dim[1] : 0;
}

static normd_layer *flatten_create(const normd_layer_source *source)
{
    flatten *layer = calloc(1, sizeof *layer);
    if (layer == NULL) {
        return NULL;
    }
    layer->base.operations = &normd_flatten_operations;
    layer->base.dtype = source->dtype;
    layer->start =
        (uint32_t)normd_options_integer(source->options, "start_dim", 1, 1, NORMD_MAX_RANK - 1);
    flow_through(layer, source);
    return &layer->base;
}

static void flatten_destroy(normd_layer *layer)
{
    free(layer);
}

static json_t *flatten_describe(const normd_layer *layer, normd_convention convention)
{
    (void)convention;
    return json_pack("{s:s, s:I}", "type", layer->operations->type, "start_dim",
        (json_int_t)((const flatten *)layer)->start);
}

static bool flatten_output_shape(
    const normd_layer *layer, const normd_shape *x, normd_shape *y, char *text)
{
    uint32_t start = ((const flatten *)layer)->start;
    if (!flatten_shape((const flatten *)layer, x, y)) {
        snprintf(text, NORMD_SHAPE_TEXT_BYTES, "rank %u or more", start + 1);
        return false;
    }
    return true;
}

static normd_status flatten_forward(const normd_layer_pass *pass, normd_error *error)
{
    (void)error;
    normd_layer_copy_through(pass, pass->x, pass->y);
    return NORMD_OK;
}

static void flatten_backward(const normd_layer_pass *pass)
{
    if (pass->dx != NULL) {
        normd_layer_copy_through(pass, pass->dy, pass->dx);
    }
}

static uint64_t flatten_cost(const normd_layer *layer, const normd_shape *x)
{
    (void)layer;
    (void)x;
    return 0;
}

const normd_layer_operations normd_flatten_operations = {
    .type = "flatten",
    .in_place = true,
    .keeps_values = true,
    .create = flatten_create,
    .destroy = flatten_destroy,
    .describe = flatten_describe,
    .output_shape = flatten_output_shape,
    .forward = flatten_forward,
    .infer = flatten_forward,
    .backward = flatten_backward,
    .cost = flatten_cost,
};
