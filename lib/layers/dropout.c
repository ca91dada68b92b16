// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/dropout.h"

#include <stdlib.h>
#include <string.h>

#include "lib/init/random.h"

typedef struct dropout {
    normd_layer base;
    double p;
    bool own_seed; /* `seed` was given, else it is the session's */
    uint64_t seed;
    size_t index;
} dropout;

/* Elements of a tile, four to a block of random words; and what one costs as a measure of work. */
enum { TILE = 1 << 12, WORDS = 4, ELEMENT_WORK = 4 };

typedef struct dropout_loop {
    normd_random random;
    uint64_t threshold; /* a word below it drops: p 2^32, rounded */
    double scale;
    const void *from;
    void *to;
    size_t count;
} dropout_loop;

/* What is dropped is multiplied by 0, so that NaN passes, as in PyTorch. */
#define DROPOUT_TILE(suffix, type)                                                                 \
    static void drop_##suffix(void *argument, size_t tile)                                         \
    {                                                                                              \
        const dropout_loop *loop = argument;                                                       \
        const type *from = loop->from;                                                             \
        type *to = loop->to;                                                                       \
        const type scale = (type)loop->scale;                                                      \
        size_t begin = tile * TILE;                                                                \
        size_t end = loop->count - begin < TILE ? loop->count : begin + TILE;                      \
        for (size_t i = begin; i < end; i += WORDS) {                                              \
            uint32_t words[WORDS];                                                                 \
            normd_random_words(&loop->random, i / WORDS, words);                                   \
            for (size_t k = 0; k < WORDS && i + k < end; k++) {                                    \
                to[i + k] = from[i + k] * (words[k] < loop->threshold ? 0 : scale);                \
            }                                                                                      \
        }                                                                                          \
    }

DROPOUT_TILE(f32, float)
DROPOUT_TILE(f64, double)

/* Multiplies by the mask of one draw. Streams with the highest bit set belong to dropout, so that
   they never meet those of initial values: 10 bits are the layer's place, 53 the draw number. */
static void apply(const normd_layer_pass *pass, int64_t draw, const void *from, void *to)
{
    const dropout *layer = (const dropout *)pass->layer;
    dropout_loop loop = {
        .random = {.seed = layer->seed,
            .stream = UINT64_C(1) << 63 | (uint64_t)layer->index << 53 | (uint64_t)draw},
        .threshold = (uint64_t)(layer->p * 0x1p32 + 0.5),
        .scale = layer->p < 1.0 ? 1.0 / (1.0 - layer->p) : 0.0,
        .from = from,
        .to = to,
    };
    bool fits = normd_shape_elements(&pass->shape, &loop.count);
    (void)fits;
    size_t tiles = loop.count / TILE + (loop.count % TILE != 0);
    normd_compute_tiles(pass->compute, ELEMENT_WORK * loop.count, tiles,
        pass->compute->dtype == NORMD_F32 ? drop_f32 : drop_f64, &loop);
}

static normd_status dropout_forward(const normd_layer_pass *pass, normd_error *error)
{
    (void)error;
    size_t place = pass->layer->tensor[0].offset;
    int64_t draw;
    memcpy(&draw, pass->statistics + place, sizeof draw);
    memcpy(pass->kept, &draw, sizeof draw);
    apply(pass, draw, pass->x, pass->y);
    if (pass->new_statistics != NULL) {
        draw = (draw + 1) % NORMD_MAX_COUNT;
        memcpy(pass->new_statistics + place, &draw, sizeof draw);
    }
    return NORMD_OK;
}

static void dropout_backward(const normd_layer_pass *pass)
{
    if (pass->dx != NULL) {
        int64_t draw;
        memcpy(&draw, pass->kept, sizeof draw);
        apply(pass, draw, pass->dy, pass->dx);
    }
}

static normd_status dropout_infer(const normd_layer_pass *pass, normd_error *error)
{
    (void)error;
    normd_layer_copy_through(pass, pass->x, pass->y);
    return NORMD_OK;
}

static void read_options(dropout *layer, const normd_layer_source *source)
{
    normd_options *options = source->options;
    bool keras = source->convention == NORMD_KERAS;
    const char *rate = normd_layer_key(options, keras ? "rate" : "p", keras ? "p" : "rate");
    if (keras && options->error.status == NORMD_OK && !normd_options_has(options, rate)) {
        normd_options_fail(options, rate, "expected the share of what is dropped, got nothing");
    }
    layer->p = normd_options_number(options, rate, 0.5, 0.0, 1.0);
    const json_t *seed = normd_options_any(options, "seed");
    layer->own_seed = seed != NULL && !json_is_null(seed);
    layer->seed = source->seed;
    if (layer->own_seed) {
        layer->seed = (uint64_t)normd_options_integer(options, "seed", 0, 0, INT64_MAX);
    }
}

static normd_layer *dropout_create(const normd_layer_source *source)
{
    dropout *layer = calloc(1, sizeof *layer);
    if (layer == NULL) {
        return NULL;
    }
    layer->base.operations = &normd_dropout_operations;
    layer->base.dtype = source->dtype;
    layer->index = source->index;
    read_options(layer, source);
    const normd_layer_tensor draws = {
        .name = "draws",
        .slab = NORMD_SLAB_STATISTICS,
        .not_negative = true,
        .own = true,
        .optional = true,
        .dtype = NORMD_I64,
        .shape = {.rank = 0},
    };
    normd_layer_declare(&layer->base, source, &draws);
    return &layer->base;
}

static void dropout_destroy(normd_layer *layer)
{
    free(layer);
}

static json_t *dropout_describe(const normd_layer *base, normd_convention convention)
{
    const dropout *layer = (const dropout *)base;
    return json_pack("{s:s, s:f, s:o}", "type", base->operations->type,
        convention == NORMD_KERAS ? "rate" : "p", layer->p, "seed",
        layer->own_seed ? json_integer((json_int_t)layer->seed) : json_null());
}

static bool dropout_output_shape(
    const normd_layer *layer, const normd_shape *x, normd_shape *y, char *text)
{
    (void)layer;
    (void)text;
    *y = *x;
    return true;
}

static void dropout_need(const normd_layer *layer, const normd_shape *x, normd_layer_need *need)
{
    (void)layer;
    (void)x;
    need->kept = sizeof(int64_t);
}

static uint64_t dropout_cost(const normd_layer *layer, const normd_shape *x)
{
    (void)layer;
    size_t elements = 0;
    return normd_shape_elements(x, &elements) ? elements : UINT64_MAX;
}

const normd_layer_operations normd_dropout_operations = {
    .type = "dropout",
    .in_place = true,
    .create = dropout_create,
    .destroy = dropout_destroy,
    .describe = dropout_describe,
    .output_shape = dropout_output_shape,
    .need = dropout_need,
    .forward = dropout_forward,
    .infer = dropout_infer,
    .backward = dropout_backward,
    .cost = dropout_cost,
};
