// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/conv2d.h"

#include <stdlib.h>

enum { MAX_CHANNELS = INT32_MAX };

static const normd_window_rules window_rules = {
    .kernel_name = {"kernel_size", "kernel_size"},
};

/* Keras' kernel is (height, width, in / groups, out). */
static const uint8_t keras_axes[] = {2, 3, 1, 0};

/* Of names of one option, the one that is there; two are a mistake. */
static const char *key_of(
    normd_options *options, const char *preferred, const char *second, const char *third)
{
    const char *key = normd_layer_key(options, preferred, second);
    return normd_layer_key(options, key, third);
}

static void read_channels(
    normd_conv2d *conv, const normd_layer_source *source, const normd_images *before)
{
    normd_options *options = source->options;
    bool keras = source->convention == NORMD_KERAS;
    const char *out =
        key_of(options, keras ? "filters" : "out", keras ? "out" : "filters", "out_channels");
    if (options->error.status == NORMD_OK && !normd_options_has(options, out)) {
        normd_options_fail(options, out, "expected the number of output channels, got nothing");
    }
    conv->out = (size_t)normd_options_integer(options, out, 1, 1, MAX_CHANNELS);
    const char *in = normd_layer_key(options, "in", "in_channels");
    conv->in = normd_layer_read_features(&conv->base, source, in, before->channels, MAX_CHANNELS);
    conv->groups = (size_t)normd_options_integer(options, "groups", 1, 1, MAX_CHANNELS);
    if (conv->in % conv->groups != 0 || conv->out % conv->groups != 0) {
        normd_options_fail(options, "groups",
            "expected a divisor of the %zu channels before and the %zu behind, got %zu", conv->in,
            conv->out, conv->groups);
    }
}

static void declare(normd_conv2d *conv, const normd_layer_source *source)
{
    const normd_convention_facts *facts = normd_convention_facts_of(source->convention);
    const size_t *kernel = conv->window.kernel;
    size_t group = conv->in / conv->groups;
    normd_layer_tensor weight = {
        .name = "weight",
        .role = NORMD_ROLE_WEIGHT,
        .trainable = conv->trainable,
        .dtype = source->dtype,
        .shape = {.rank = 4, .dim = {conv->out, group, kernel[0], kernel[1]}},
        .init_name = {[NORMD_PYTORCH] = "weight_init", [NORMD_KERAS] = "kernel_initializer"},
        .init_default = facts->linear_weight_init,
        .keras_axes = keras_axes,
        .fan_in = group * kernel[0] * kernel[1],
        .fan_out = conv->out * kernel[0] * kernel[1],
    };
    normd_layer_declare(&conv->base, source, &weight);
    if (!conv->bias) {
        return;
    }
    normd_layer_tensor bias = weight;
    bias.name = "bias";
    bias.role = NORMD_ROLE_BIAS;
    bias.shape = (normd_shape){.rank = 1, .dim = {conv->out}};
    bias.keras_axes = NULL;
    bias.init_name[NORMD_PYTORCH] = "bias_init";
    bias.init_name[NORMD_KERAS] = "bias_initializer";
    bias.init_default = facts->linear_bias_init;
    normd_layer_declare(&conv->base, source, &bias);
}

static normd_layer *conv2d_create(const normd_layer_source *source)
{
    normd_options *options = source->options;
    bool keras = source->convention == NORMD_KERAS;
    normd_conv2d *conv = calloc(1, sizeof *conv);
    if (conv == NULL) {
        return NULL;
    }
    conv->base.operations = &normd_conv2d_operations;
    conv->base.dtype = source->dtype;
    conv->channels_last = normd_images_read_format(source);
    normd_images before = normd_images_before(source, conv->channels_last);
    normd_window_read(&conv->window, source, &window_rules);
    read_channels(conv, source, &before);
    const char *bias =
        normd_layer_key(options, keras ? "use_bias" : "bias", keras ? "bias" : "use_bias");
    conv->bias = normd_options_bool(options, bias, true);
    conv->trainable = normd_options_bool(options, "trainable", true);
    normd_window_flow(&conv->window, source, &before, conv->out, conv->channels_last);
    if (options->error.status == NORMD_OK) {
        declare(conv, source);
    }
    return &conv->base;
}

static void conv2d_destroy(normd_layer *layer)
{
    free(layer);
}

static json_t *conv2d_describe(const normd_layer *layer, normd_convention convention)
{
    const normd_conv2d *conv = (const normd_conv2d *)layer;
    bool keras = convention == NORMD_KERAS;
    json_t *map = json_pack("{s:s, s:I, s:I, s:b, s:s, s:b}", "type", layer->operations->type,
        keras ? "filters" : "out", (json_int_t)conv->out, "groups", (json_int_t)conv->groups,
        keras ? "use_bias" : "bias", (int)conv->bias, "data_format",
        normd_images_format_name(conv->channels_last), "trainable", (int)conv->trainable);
    if (map == NULL || !normd_layer_put_features(map, layer, "in", conv->in) ||
        !normd_window_put(map, &conv->window, convention, &window_rules) ||
        !normd_layer_put_initializers(map, layer, convention)) {
        json_decref(map);
        return NULL;
    }
    return map;
}

static bool conv2d_output_shape(
    const normd_layer *layer, const normd_shape *x, normd_shape *y, char *text)
{
    const normd_conv2d *conv = (const normd_conv2d *)layer;
    return normd_window_output_shape(
        &conv->window, x, conv->in, conv->out, conv->channels_last, y, text);
}

static void conv2d_need(const normd_layer *layer, const normd_shape *x, normd_layer_need *need)
{
    normd_conv2d_plan plan;
    if (!normd_conv2d_plan_of((const normd_conv2d *)layer, x, &plan)) {
        need->scratch = SIZE_MAX / 2;
        return;
    }
    size_t forward = plan.forward_lanes * plan.columns_bytes;
    size_t backward = plan.backward_lanes * (plan.columns_bytes + plan.weight_bytes);
    need->scratch = forward > backward ? forward : backward;
}

static uint64_t conv2d_cost(const normd_layer *layer, const normd_shape *x)
{
    const normd_conv2d *conv = (const normd_conv2d *)layer;
    normd_shape y;
    char text[NORMD_SHAPE_TEXT_BYTES];
    size_t outputs;
    uint64_t cost;
    if (!conv2d_output_shape(layer, x, &y, text) || !normd_shape_elements(&y, &outputs) ||
        __builtin_mul_overflow((uint64_t)layer->tensor[0].elements / conv->out, outputs, &cost)) {
        return UINT64_MAX;
    }
    return cost;
}

const normd_layer_operations normd_conv2d_operations = {
    .type = "conv2d",
    .backward_reads_x = true,
    .create = conv2d_create,
    .destroy = conv2d_destroy,
    .describe = conv2d_describe,
    .output_shape = conv2d_output_shape,
    .need = conv2d_need,
    .forward = normd_conv2d_forward,
    .infer = normd_conv2d_forward,
    .backward = normd_conv2d_backward,
    .cost = conv2d_cost,
};
