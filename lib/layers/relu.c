// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/relu.h"

#include <assert.h>
#include <stdlib.h>

enum { RELU_TILE = 1 << 14 };

typedef struct relu_loop {
    const void *x;  /* forward: input; backward: the output y */
    const void *dy; /* backward */
    void *y;        /* y, or dx */
    size_t count;
} relu_loop;

/* A comparison with NaN is false, therefore NaN takes the branch that keeps the value. */
#define RELU_TILES(suffix, type)                                                                   \
    static void forward_##suffix(void *argument, size_t tile)                                      \
    {                                                                                              \
        const relu_loop *loop = argument;                                                          \
        const type *x = loop->x;                                                                   \
        type *y = loop->y;                                                                         \
        size_t begin = tile * RELU_TILE;                                                           \
        size_t end = loop->count - begin < RELU_TILE ? loop->count : begin + RELU_TILE;            \
        for (size_t i = begin; i < end; i++) {                                                     \
            y[i] = x[i] < 0 ? 0 : x[i];                                                            \
        }                                                                                          \
    }                                                                                              \
    static void backward_##suffix(void *argument, size_t tile)                                     \
    {                                                                                              \
        const relu_loop *loop = argument;                                                          \
        const type *y = loop->x;                                                                   \
        const type *dy = loop->dy;                                                                 \
        type *dx = loop->y;                                                                        \
        size_t begin = tile * RELU_TILE;                                                           \
        size_t end = loop->count - begin < RELU_TILE ? loop->count : begin + RELU_TILE;            \
        for (size_t i = begin; i < end; i++) {                                                     \
            type gradient = dy[i]; /* read always: no branch */                                    \
            dx[i] = y[i] <= 0 ? 0 : gradient;                                                      \
        }                                                                                          \
    }

RELU_TILES(f32, float)
RELU_TILES(f64, double)

static void run(
    const normd_layer_pass *pass, normd_tile_function f32, normd_tile_function f64, relu_loop *loop)
{
    bool ok = normd_shape_elements(&pass->shape, &loop->count);
    (void)ok;
    size_t tiles = loop->count / RELU_TILE + (loop->count % RELU_TILE != 0);
    normd_compute_tiles(
        pass->compute, loop->count, tiles, pass->compute->dtype == NORMD_F32 ? f32 : f64, loop);
}

/* An absorbed ReLU is in place: its y is written by the layer before, its dx read by it. */
static normd_status relu_forward(const normd_layer_pass *pass, normd_error *error)
{
    (void)error;
    if (pass->layer->absorbed) {
        assert(pass->x == pass->y);
        return NORMD_OK;
    }
    relu_loop loop = {.x = pass->x, .y = pass->y};
    run(pass, forward_f32, forward_f64, &loop);
    return NORMD_OK;
}

static void relu_backward(const normd_layer_pass *pass)
{
    assert(!pass->layer->absorbed || pass->dx == NULL || pass->dx == pass->dy);
    if (pass->dx != NULL && !pass->layer->absorbed) {
        relu_loop loop = {.x = pass->y, .dy = pass->dy, .y = pass->dx};
        run(pass, backward_f32, backward_f64, &loop);
    }
}

static normd_layer *relu_create(const normd_layer_source *source)
{
    normd_layer *layer = calloc(1, sizeof *layer);
    if (layer != NULL) {
        layer->operations = &normd_relu_operations;
        layer->dtype = source->dtype;
    }
    return layer;
}

static void relu_destroy(normd_layer *layer)
{
    free(layer);
}

static json_t *relu_describe(const normd_layer *layer, normd_convention convention)
{
    (void)convention;
    return json_pack("{s:s}", "type", layer->operations->type);
}

static bool relu_output_shape(
    const normd_layer *layer, const normd_shape *x, normd_shape *y, char *text)
{
    (void)layer;
    (void)text;
    *y = *x;
    return true;
}

static uint64_t relu_cost(const normd_layer *layer, const normd_shape *x)
{
    (void)layer;
    size_t elements = 0;
    return normd_shape_elements(x, &elements) ? elements : UINT64_MAX;
}

const normd_layer_operations normd_relu_operations = {
    .type = "relu",
    .in_place = true,
    .backward_reads_y = true,
    .create = relu_create,
    .destroy = relu_destroy,
    .describe = relu_describe,
    .output_shape = relu_output_shape,
    .forward = relu_forward,
    .infer = relu_forward,
    .backward = relu_backward,
    .cost = relu_cost,
};
