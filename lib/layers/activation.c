// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/activation.h"

#include <math.h>
#include <stdlib.h>

typedef struct activation {
    normd_layer base;
    normd_activation_kind kind;
    /* The arguments: negative_slope; alpha; 1 for the approximation with tanh; beta, threshold. */
    double a, b;
} activation;

/* Elements that one tile computes, and what one costs as a measure of the work: some functions of
   the C library take a few nanoseconds. */
enum { TILE = 1 << 12, ELEMENT_WORK = 8 };

typedef struct activation_loop {
    const void *from; /* x, or y in backward where that is what is read */
    const void *dy;
    void *to;
    size_t count;
    double a, b;
} activation_loop;

static size_t tile_end(const activation_loop *loop, size_t tile)
{
    size_t begin = tile * TILE;
    return loop->count - begin < TILE ? loop->count : begin + TILE;
}

#define REAL float
#define OF(name) name##_f32
#define MATH(name) name##f
#include "lib/layers/activation_loops.h"
#undef REAL
#undef OF
#undef MATH
#define REAL double
#define OF(name) name##_f64
#define MATH(name) name
#include "lib/layers/activation_loops.h"
#undef REAL
#undef OF
#undef MATH

typedef struct activation_row {
    normd_tile_function forward[2]; /* f32, f64 */
    normd_tile_function backward[2];
} activation_row;

static const activation_row rows[NORMD_ACTIVATION_COUNT] = {
#define ROW(kind, name, reads_x)                                                                   \
    [NORMD_ACTIVATION_##kind] = {                                                                  \
        {name##_forward_f32, name##_forward_f64}, {name##_backward_f32, name##_backward_f64}},
    NORMD_ACTIVATION_MAP(ROW)
#undef ROW
};

static void run(const normd_layer_pass *pass, const normd_tile_function functions[2],
    const void *from, void *to)
{
    const activation *layer = (const activation *)pass->layer;
    activation_loop loop = {.from = from, .dy = pass->dy, .to = to, .a = layer->a, .b = layer->b};
    bool fits = normd_shape_elements(&pass->shape, &loop.count);
    (void)fits;
    size_t tiles = loop.count / TILE + (loop.count % TILE != 0);
    normd_compute_tiles(pass->compute, ELEMENT_WORK * loop.count, tiles,
        functions[pass->compute->dtype != NORMD_F32], &loop);
}

static normd_status activation_forward(const normd_layer_pass *pass, normd_error *error)
{
    (void)error;
    run(pass, rows[((const activation *)pass->layer)->kind].forward, pass->x, pass->y);
    return NORMD_OK;
}

static void activation_backward(const normd_layer_pass *pass)
{
    if (pass->dx != NULL) {
        const void *from = pass->layer->operations->backward_reads_x ? pass->x : pass->y;
        run(pass, rows[((const activation *)pass->layer)->kind].backward, from, pass->dx);
    }
}

/* PyTorch's word, or Keras' boolean. */
static bool read_approximate(normd_options *options)
{
    static const char *const words[] = {"none", "tanh", NULL};
    const json_t *value = normd_options_any(options, "approximate");
    if (json_is_boolean(value)) {
        return json_is_true(value);
    }
    return normd_options_word(options, "approximate", words, 0) == 1;
}

static void read_softplus(activation *layer, const normd_layer_source *source)
{
    normd_options *options = source->options;
    layer->a = normd_options_number(options, "beta", 1.0, 0.0, INFINITY);
    if (layer->a == 0.0) {
        normd_options_fail(options, "beta", "expected a number above 0, got 0");
    }
    bool none = source->convention == NORMD_KERAS && !normd_options_has(options, "threshold");
    layer->b = normd_options_number_or_null(options, "threshold", 20.0, -INFINITY, INFINITY, &none);
    if (none) {
        layer->b = INFINITY;
    }
}

static void read_arguments(activation *layer, const normd_layer_source *source)
{
    normd_options *options = source->options;
    /* Keras' layer and its function of the same name have defaults of their own. */
    double slope = source->convention == NORMD_PYTORCH        ? 0.01
                   : normd_options_has(options, "activation") ? 0.2
                                                              : 0.3;
    switch (layer->kind) {
    case NORMD_ACTIVATION_LEAKY_RELU:
        layer->a = normd_options_number(options, "negative_slope", slope, -INFINITY, INFINITY);
        break;
    case NORMD_ACTIVATION_ELU:
        layer->a = normd_options_number(options, "alpha", 1.0, -INFINITY, INFINITY);
        break;
    case NORMD_ACTIVATION_GELU:
        layer->a = read_approximate(options);
        break;
    case NORMD_ACTIVATION_SOFTPLUS:
        read_softplus(layer, source);
        break;
    default:
        break;
    }
}

static normd_layer *create(const normd_layer_source *source, normd_activation_kind kind)
{
    activation *layer = calloc(1, sizeof *layer);
    if (layer == NULL) {
        return NULL;
    }
    layer->base.operations = &normd_activation_operations[kind];
    layer->base.dtype = source->dtype;
    layer->kind = kind;
    read_arguments(layer, source);
    return &layer->base;
}

static void activation_destroy(normd_layer *layer)
{
    free(layer);
}

static json_t *activation_describe(const normd_layer *base, normd_convention convention)
{
    const activation *layer = (const activation *)base;
    const char *type = base->operations->type;
    switch (layer->kind) {
    case NORMD_ACTIVATION_LEAKY_RELU:
        return json_pack("{s:s, s:f}", "type", type, "negative_slope", layer->a);
    case NORMD_ACTIVATION_ELU:
        return json_pack("{s:s, s:f}", "type", type, "alpha", layer->a);
    case NORMD_ACTIVATION_GELU:
        return json_pack("{s:s, s:o}", "type", type, "approximate",
            convention == NORMD_KERAS ? json_boolean(layer->a != 0.0)
                                      : json_string(layer->a != 0.0 ? "tanh" : "none"));
    case NORMD_ACTIVATION_SOFTPLUS:
        return json_pack("{s:s, s:f, s:o}", "type", type, "beta", layer->a, "threshold",
            isinf(layer->b) ? json_null() : json_real(layer->b));
    default:
        return json_pack("{s:s}", "type", type);
    }
}

static bool activation_output_shape(
    const normd_layer *layer, const normd_shape *x, normd_shape *y, char *text)
{
    (void)layer;
    (void)text;
    *y = *x;
    return true;
}

static uint64_t activation_cost(const normd_layer *layer, const normd_shape *x)
{
    (void)layer;
    size_t elements = 0;
    return normd_shape_elements(x, &elements) ? ELEMENT_WORK * (uint64_t)elements : UINT64_MAX;
}

/* The operations do not tell `create` which row it is called for, so each has one of its own. */
#define CREATE(kind, name, reads_x)                                                                \
    static normd_layer *name##_create(const normd_layer_source *source)                            \
    {                                                                                              \
        return create(source, NORMD_ACTIVATION_##kind);                                            \
    }
NORMD_ACTIVATION_MAP(CREATE)

const normd_layer_operations normd_activation_operations[NORMD_ACTIVATION_COUNT] = {
#define OPERATIONS(kind, name, reads_x)                                                            \
    [NORMD_ACTIVATION_##kind] = {                                                                  \
        .type = #name,                                                                             \
        .in_place = true,                                                                          \
        .backward_reads_x = reads_x,                                                               \
        .backward_reads_y = !(reads_x),                                                            \
        .create = name##_create,                                                                   \
        .destroy = activation_destroy,                                                             \
        .describe = activation_describe,                                                           \
        .output_shape = activation_output_shape,                                                   \
        .forward = activation_forward,                                                             \
        .infer = activation_forward,                                                               \
        .backward = activation_backward,                                                           \
        .cost = activation_cost,                                                                   \
    },
    NORMD_ACTIVATION_MAP(OPERATIONS)
#undef OPERATIONS
};
