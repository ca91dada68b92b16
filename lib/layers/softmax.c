// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/softmax.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct softmax {
    normd_layer base;
    int axis; /* from 1, or from the end: -1 is the last */
} softmax;

/* Elements that one tile computes at least, and what one costs as a measure of the work. */
enum { TILE = 1 << 12, ELEMENT_WORK = 16 };

/* A row is the values along the axis; those of row r start at element
   r / stride * classes * stride + r % stride and are `stride` apart. */
typedef struct softmax_loop {
    const void *from; /* x; y in backward */
    const void *dy;
    void *to;
    size_t rows;
    size_t classes;
    size_t stride;
    size_t rows_of_tile;
} softmax_loop;

static size_t place_of(const softmax_loop *loop, size_t row)
{
    return row / loop->stride * loop->classes * loop->stride + row % loop->stride;
}

static size_t tile_end(const softmax_loop *loop, size_t tile)
{
    size_t begin = tile * loop->rows_of_tile;
    return loop->rows - begin < loop->rows_of_tile ? loop->rows : begin + loop->rows_of_tile;
}

#define REAL float
#define OF(name) name##_f32
#include "lib/layers/softmax_loops.h"
#undef REAL
#undef OF
#define REAL double
#define OF(name) name##_f64
#include "lib/layers/softmax_loops.h"
#undef REAL
#undef OF

static uint32_t axis_of(const softmax *layer, uint32_t rank)
{
    return layer->axis > 0 ? (uint32_t)layer->axis : rank - (uint32_t)-layer->axis;
}

/* The number of rows follows from the shape, so neither tiles nor bits depend on the threads. */
static void run(const normd_layer_pass *pass, const normd_tile_function functions[2],
    const void *from, void *to)
{
    uint32_t axis = axis_of((const softmax *)pass->layer, pass->shape.rank);
    softmax_loop loop = {
        .from = from, .dy = pass->dy, .to = to, .classes = pass->shape.dim[axis], .stride = 1};
    size_t elements = 0;
    bool fits = normd_shape_elements(&pass->shape, &elements);
    (void)fits;
    if (elements == 0) {
        return;
    }
    for (uint32_t i = axis + 1; i < pass->shape.rank; i++) {
        loop.stride *= pass->shape.dim[i];
    }
    loop.rows = elements / loop.classes;
    loop.rows_of_tile = loop.classes < TILE ? TILE / loop.classes : 1;
    size_t tiles = loop.rows / loop.rows_of_tile + (loop.rows % loop.rows_of_tile != 0);
    normd_compute_tiles(pass->compute, ELEMENT_WORK * elements, tiles,
        functions[pass->compute->dtype != NORMD_F32], &loop);
}

static normd_status softmax_forward(const normd_layer_pass *pass, normd_error *error)
{
    static const normd_tile_function functions[] = {softmax_tile_f32, softmax_tile_f64};
    (void)error;
    run(pass, functions, pass->x, pass->y);
    return NORMD_OK;
}

static void softmax_backward(const normd_layer_pass *pass)
{
    static const normd_tile_function functions[] = {softmax_slope_f32, softmax_slope_f64};
    if (pass->dx != NULL) {
        run(pass, functions, pass->y, pass->dx);
    }
}

static normd_status log_softmax_forward(const normd_layer_pass *pass, normd_error *error)
{
    static const normd_tile_function functions[] = {log_softmax_tile_f32, log_softmax_tile_f64};
    (void)error;
    run(pass, functions, pass->x, pass->y);
    return NORMD_OK;
}

static void log_softmax_backward(const normd_layer_pass *pass)
{
    static const normd_tile_function functions[] = {log_softmax_slope_f32, log_softmax_slope_f64};
    if (pass->dx != NULL) {
        run(pass, functions, pass->y, pass->dx);
    }
}

static void read_axis(softmax *layer, const normd_layer_source *source)
{
    normd_options *options = source->options;
    const char *key = normd_layer_name(source, "dim", "axis");
    uint32_t rank = source->flow->shape.rank;
    json_int_t most = (json_int_t)(rank != 0 ? rank : NORMD_MAX_RANK) - 1;
    const json_t *value = normd_options_any(options, key);
    layer->axis = normd_convention_facts_of(source->convention)->axis;
    if (value == NULL) {
        return;
    }
    json_int_t axis = json_integer_value(value); /* 0 for what is no integer */
    if (axis == 0 || axis < -most || axis > most) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(options, key,
            "expected one axis: 1 (second) to %d, or -1 (last) to %d from the end, got %s",
            (int)most, (int)-most, normd_options_show(value, got, sizeof got));
        return;
    }
    layer->axis = (int)axis;
}

static normd_layer *create(
    const normd_layer_source *source, const normd_layer_operations *operations)
{
    softmax *layer = calloc(1, sizeof *layer);
    if (layer == NULL) {
        return NULL;
    }
    layer->base.operations = operations;
    layer->base.dtype = source->dtype;
    read_axis(layer, source);
    return &layer->base;
}

static normd_layer *softmax_create(const normd_layer_source *source)
{
    return create(source, &normd_softmax_operations);
}

static normd_layer *log_softmax_create(const normd_layer_source *source)
{
    return create(source, &normd_log_softmax_operations);
}

static void softmax_destroy(normd_layer *layer)
{
    free(layer);
}

static json_t *softmax_describe(const normd_layer *layer, normd_convention convention)
{
    return json_pack("{s:s, s:i}", "type", layer->operations->type,
        convention == NORMD_KERAS ? "axis" : "dim", ((const softmax *)layer)->axis);
}

static bool softmax_output_shape(
    const normd_layer *layer, const normd_shape *x, normd_shape *y, char *text)
{
    int axis = ((const softmax *)layer)->axis;
    uint32_t least = axis > 0 ? (uint32_t)axis + 1 : (uint32_t)-axis + 1;
    if (x->rank < least) {
        snprintf(text, NORMD_SHAPE_TEXT_BYTES, "rank %u or more", least);
        return false;
    }
    *y = *x;
    return true;
}

static uint64_t softmax_cost(const normd_layer *layer, const normd_shape *x)
{
    (void)layer;
    size_t elements = 0;
    return normd_shape_elements(x, &elements) ? ELEMENT_WORK * (uint64_t)elements : UINT64_MAX;
}

const normd_layer_operations normd_softmax_operations = {
    .type = "softmax",
    .in_place = true,
    .backward_reads_y = true,
    .create = softmax_create,
    .destroy = softmax_destroy,
    .describe = softmax_describe,
    .output_shape = softmax_output_shape,
    .forward = softmax_forward,
    .infer = softmax_forward,
    .backward = softmax_backward,
    .cost = softmax_cost,
};

const normd_layer_operations normd_log_softmax_operations = {
    .type = "log_softmax",
    .in_place = true,
    .backward_reads_y = true,
    .create = log_softmax_create,
    .destroy = softmax_destroy,
    .describe = softmax_describe,
    .output_shape = softmax_output_shape,
    .forward = log_softmax_forward,
    .infer = log_softmax_forward,
    .backward = log_softmax_backward,
    .cost = softmax_cost,
};
