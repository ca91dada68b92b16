// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/window.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 1 << 16 }; /* of any of the numbers: their products fit in 64 bits */

static const char *const stride_names[NORMD_CONVENTION_COUNT] = {"stride", "strides"};
static const char *const dilation_names[NORMD_CONVENTION_COUNT] = {"dilation", "dilation_rate"};

static const char *key_of(normd_options *options, const char *const names[NORMD_CONVENTION_COUNT],
    normd_convention convention)
{
    return normd_layer_key(
        options, names[convention], names[convention == NORMD_KERAS ? NORMD_PYTORCH : NORMD_KERAS]);
}

static void read_kernel(
    normd_window *window, const normd_layer_source *source, const normd_window_rules *rules)
{
    normd_options *options = source->options;
    const char *key = key_of(options, rules->kernel_name, source->convention);
    size_t otherwise = source->convention == NORMD_KERAS ? rules->kernel_default : 0;
    window->kernel[0] = otherwise;
    window->kernel[1] = otherwise;
    normd_images_read_pair(options, key, 1, MOST, window->kernel);
    if (window->kernel[0] == 0) {
        normd_options_fail(options, key, "expected the window's height and width, got nothing");
    }
}

static void read_stride(
    normd_window *window, const normd_layer_source *source, const normd_window_rules *rules)
{
    normd_options *options = source->options;
    const char *key = key_of(options, stride_names, source->convention);
    for (size_t axis = 0; axis < 2; axis++) {
        window->stride[axis] = rules->pools ? window->kernel[axis] : 1;
    }
    if (!json_is_null(normd_options_any(options, key)) || !rules->pools) {
        normd_images_read_pair(options, key, 1, MOST, window->stride);
    }
}

/* A word, or numbers. */
static void read_padding(
    normd_window *window, const normd_layer_source *source, const normd_window_rules *rules)
{
    static const char *const words[] = {"valid", "same", NULL};
    normd_options *options = source->options;
    window->padding[0] = 0;
    window->padding[1] = 0;
    if (json_is_string(normd_options_any(options, "padding"))) {
        window->same = normd_options_word(options, "padding", words, 0) == 1;
    } else {
        normd_images_read_pair(options, "padding", 0, MOST, window->padding);
    }
    bool strided = window->stride[0] != 1 || window->stride[1] != 1;
    if (window->same && strided && !rules->pools && source->convention == NORMD_PYTORCH) {
        normd_options_fail(options, "padding",
            "expected numbers or \"valid\" with a stride of %zu x %zu, as PyTorch has it, got "
            "\"same\"",
            window->stride[0], window->stride[1]);
    }
    for (size_t axis = 0; axis < 2 && rules->pools; axis++) {
        if (window->padding[axis] > window->kernel[axis] / 2) {
            normd_options_fail(options, "padding",
                "expected at most half of the window, %zu x %zu, got %zu x %zu", window->kernel[0],
                window->kernel[1], window->padding[0], window->padding[1]);
        }
    }
}

void normd_window_read(
    normd_window *window, const normd_layer_source *source, const normd_window_rules *rules)
{
    read_kernel(window, source, rules);
    read_stride(window, source, rules);
    read_padding(window, source, rules);
    window->dilation[0] = 1;
    window->dilation[1] = 1;
    if (!rules->pools) {
        const char *key = key_of(source->options, dilation_names, source->convention);
        normd_images_read_pair(source->options, key, 1, MOST, window->dilation);
    }
}

static json_t *padding_of(const normd_window *window, normd_convention convention)
{
    if (window->same) {
        return json_string("same");
    }
    bool none = window->padding[0] == 0 && window->padding[1] == 0;
    return none && convention == NORMD_KERAS ? json_string("valid")
                                             : normd_images_pair(window->padding);
}

bool normd_window_put(json_t *map, const normd_window *window, normd_convention convention,
    const normd_window_rules *rules)
{
    return normd_layer_put(
               map, rules->kernel_name[convention], normd_images_pair(window->kernel)) &&
           normd_layer_put(map, stride_names[convention], normd_images_pair(window->stride)) &&
           normd_layer_put(map, "padding", padding_of(window, convention)) &&
           (rules->pools || normd_layer_put(map, dilation_names[convention],
                                normd_images_pair(window->dilation)));
}

bool normd_window_place(
    const normd_window *window, size_t axis, size_t extent, size_t *outputs, size_t *before)
{
    size_t span = window->dilation[axis] * (window->kernel[axis] - 1) + 1;
    size_t stride = window->stride[axis];
    if (extent > SIZE_MAX / 4) {
        return false;
    }
    if (window->same) {
        *outputs = extent / stride + (extent % stride != 0);
        size_t covered = *outputs == 0 ? 0 : (*outputs - 1) * stride + span;
        *before = covered > extent ? (covered - extent) / 2 : 0;
        return *outputs > 0;
    }
    size_t padded = extent + 2 * window->padding[axis];
    *before = window->padding[axis];
    *outputs = extent > 0 && padded >= span ? (padded - span) / stride + 1 : 0;
    return *outputs > 0;
}

void normd_window_flow(const normd_window *window, const normd_layer_source *source,
    const normd_images *before, size_t channels, bool channels_last)
{
    size_t extent[2] = {0, 0};
    if (source->options->error.status != NORMD_OK) {
        return;
    }
    for (size_t axis = 0; axis < 2; axis++) {
        size_t padding;
        if (before->extent[axis] != 0 &&
            !normd_window_place(window, axis, before->extent[axis], &extent[axis], &padding)) {
            char got[NORMD_SHAPE_TEXT_BYTES];
            normd_options_fail(source->options, "type",
                "expected images before the layer that a window of %zu x %zu fits, got %s",
                window->kernel[0], window->kernel[1],
                normd_flow_format(source->flow, got, sizeof got));
            return;
        }
    }
    source->flow->shape = normd_images_shape(0, channels, extent, channels_last);
    source->flow->features = channels;
}

static void write_expected(
    const normd_window *window, size_t channels, bool channels_last, char *text)
{
    char number[24] = "channels";
    if (channels != 0) {
        snprintf(number, sizeof number, "%zu", channels);
    }
    snprintf(text, NORMD_SHAPE_TEXT_BYTES,
        "(N, %s%sheight, width%s%s), where a window of %zu x %zu fits", channels_last ? "" : number,
        channels_last ? "" : ", ", channels_last ? ", " : "", channels_last ? number : "",
        window->kernel[0], window->kernel[1]);
}

bool normd_window_output_shape(const normd_window *window, const normd_shape *x, size_t channels,
    size_t out_channels, bool channels_last, normd_shape *y, char *text)
{
    /* What BLAS counts with, for a channel and for a pixel. */
    const size_t most = INT32_MAX;
    size_t extent[2];
    bool ok = x->rank == 4;
    if (ok) {
        normd_images images = normd_images_of(x, channels_last);
        ok = channels == 0 || images.channels == channels;
        for (size_t axis = 0; axis < 2 && ok; axis++) {
            size_t padding;
            ok = images.extent[axis] <= most &&
                 normd_window_place(window, axis, images.extent[axis], &extent[axis], &padding) &&
                 extent[axis] <= most;
        }
        ok = ok && images.extent[0] * images.extent[1] <= most && extent[0] * extent[1] <= most &&
             images.channels <= most;
        if (ok) {
            *y = normd_images_shape(images.images,
                out_channels == 0 ? images.channels : out_channels, extent, channels_last);
        }
    }
    if (!ok) {
        write_expected(window, channels, channels_last, text);
    }
    return ok;
}
