// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/linear.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINEAR_MAX_EXTENT = INT32_MAX }; /* what BLAS counts with */

static size_t read_in(normd_layer *layer, const normd_layer_source *source)
{
    const normd_flow *flow = source->flow;
    const char *in_key = normd_layer_key(source->options, "in", "in_features");
    uint32_t rank = flow->shape.rank;
    /* Of an input of unknown rank, features on another axis than the last are the inputs only where
       nothing else says what is. */
    bool last = flow->features_axis == 0 || flow->features_axis == -1 ||
                !normd_options_has(source->options, in_key);
    size_t before = rank != 0 ? flow->shape.dim[rank - 1] : last ? flow->features : 0;
    return normd_layer_read_features(layer, source, in_key, before, LINEAR_MAX_EXTENT);
}

/* Keras' kernel is (in, out). */
static const uint8_t keras_axes[] = {1, 0};

static void declare(normd_linear *linear, const normd_layer_source *source)
{
    const normd_convention_facts *facts = normd_convention_facts_of(source->convention);
    normd_layer_tensor weight = {
        .name = "weight",
        .role = NORMD_ROLE_WEIGHT,
        .trainable = linear->trainable,
        .dtype = source->dtype,
        .shape = {.rank = 2, .dim = {linear->out, linear->in}},
        .init_name = {[NORMD_PYTORCH] = "weight_init", [NORMD_KERAS] = "kernel_initializer"},
        .init_default = facts->linear_weight_init,
        .keras_axes = keras_axes,
        .fan_in = linear->in,
        .fan_out = linear->out,
    };
    normd_layer_declare(&linear->base, source, &weight);
    if (!linear->bias) {
        return;
    }
    normd_layer_tensor bias = weight;
    bias.name = "bias";
    bias.role = NORMD_ROLE_BIAS;
    bias.keras_axes = NULL;
    bias.shape = (normd_shape){.rank = 1, .dim = {linear->out}};
    bias.init_name[NORMD_PYTORCH] = "bias_init";
    bias.init_name[NORMD_KERAS] = "bias_initializer";
    bias.init_default = facts->linear_bias_init;
    normd_layer_declare(&linear->base, source, &bias);
}

/* Gives the rank. Where nothing told that of the input, the layers behind count on two axes. */
static uint32_t flow_through(const normd_linear *linear, normd_flow *flow)
{
    uint32_t rank = flow->shape.rank;
    if (rank == 0) {
        flow->shape.rank = rank = 2;
        flow->shape.dim[0] = 0;
    }
    flow->shape.dim[rank - 1] = linear->out;
    flow->features = linear->out;
    flow->features_axis = rank == 2 ? 0 : -1;
    return rank;
}

static normd_layer *linear_create(const normd_layer_source *source)
{
    normd_options *options = source->options;
    normd_linear *linear = calloc(1, sizeof *linear);
    if (linear == NULL) {
        return NULL;
    }
    linear->base.operations = &normd_linear_operations;
    linear->base.dtype = source->dtype;
    const char *out_key = normd_layer_name(source, "out", "units");
    out_key = normd_layer_key(options, out_key, "out_features");
    if (options->error.status == NORMD_OK && !normd_options_has(options, out_key)) {
        normd_options_fail(options, out_key, "expected the number of outputs, got nothing");
    }
    linear->out = (size_t)normd_options_integer(options, out_key, 1, 1, LINEAR_MAX_EXTENT);
    linear->in = read_in(&linear->base, source);
    const char *bias_key = normd_layer_name(source, "bias", "use_bias");
    linear->bias = normd_options_bool(options, bias_key, true);
    linear->trainable = normd_options_bool(options, "trainable", true);
    if (options->error.status == NORMD_OK) {
        declare(linear, source);
    }
    linear->rank = flow_through(linear, source->flow);
    return &linear->base;
}

static void linear_destroy(normd_layer *layer)
{
    free(layer);
}

static json_t *linear_describe(const normd_layer *layer, normd_convention convention)
{
    const normd_linear *linear = (const normd_linear *)layer;
    bool keras = convention == NORMD_KERAS;
    json_t *map = json_pack("{s:s, s:I, s:b, s:b}", "type", layer->operations->type,
        keras ? "units" : "out", (json_int_t)linear->out, keras ? "use_bias" : "bias",
        (int)linear->bias, "trainable", (int)linear->trainable);
    if (map == NULL || !normd_layer_put_features(map, layer, "in", linear->in) ||
        !normd_layer_put_initializers(map, layer, convention)) {
        json_decref(map);
        return NULL;
    }
    return map;
}

/* All axes but the last; false when they cannot be counted. */
static bool count_rows(const normd_shape *x, size_t *rows)
{
    normd_shape outer = *x;
    outer.rank--;
    return normd_shape_elements(&outer, rows);
}

size_t normd_linear_rows(const normd_shape *x)
{
    size_t rows = 0;
    bool fits = count_rows(x, &rows);
    (void)fits;
    return rows;
}

static bool linear_output_shape(
    const normd_layer *layer, const normd_shape *x, normd_shape *y, char *text)
{
    const normd_linear *linear = (const normd_linear *)layer;
    size_t rows = 0;
    if (x->rank < 2 || x->dim[x->rank - 1] != linear->in || !count_rows(x, &rows) ||
        rows > LINEAR_MAX_EXTENT) {
        snprintf(text, NORMD_SHAPE_TEXT_BYTES, "(N, ..., %zu)", linear->in);
        return false;
    }
    *y = *x;
    y->dim[x->rank - 1] = linear->out;
    return true;
}

static uint64_t linear_cost(const normd_layer *layer, const normd_shape *x)
{
    const normd_linear *linear = (const normd_linear *)layer;
    uint64_t cost;
    if (__builtin_mul_overflow(
            (uint64_t)linear->in * linear->out, (uint64_t)normd_linear_rows(x), &cost)) {
        return UINT64_MAX;
    }
    return cost;
}

const normd_layer_operations normd_linear_operations = {
    .type = "linear",
    .backward_reads_x = true,
    .create = linear_create,
    .destroy = linear_destroy,
    .describe = linear_describe,
    .output_shape = linear_output_shape,
    .forward = normd_linear_forward,
    .infer = normd_linear_forward,
    .backward = normd_linear_backward,
    .cost = linear_cost,
};
