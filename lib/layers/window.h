// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_WINDOW_H
#define NORMD_LAYERS_WINDOW_H

#include "lib/layers/images.h"

/*
 * The window that a convolution or a pooling moves over images. Pairs are height and width.
 *
 * With padding in numbers, each side of an axis has so many more values. "valid" is none. "same"
 * makes the output ceil(extent / stride) long and puts the odd one behind, as TensorFlow does; at
 * stride 1 that is PyTorch's "same", too.
 */
typedef struct normd_window {
    size_t kernel[2];
    size_t stride[2];
    size_t dilation[2];
    size_t padding[2];
    bool same;
} normd_window;

/* Which options a layer takes for it. */
typedef struct normd_window_rules {
    const char *kernel_name[NORMD_CONVENTION_COUNT];
    size_t kernel_default; /* under Keras' convention; 0: none */
    bool pools; /* the stride is the kernel by default, padding at most half of it, no dilation */
} normd_window_rules;

void normd_window_read(
    normd_window *window, const normd_layer_source *source, const normd_window_rules *rules);
/* Adds the options to a layer's description; false when out of memory. */
bool normd_window_put(json_t *map, const normd_window *window, normd_convention convention,
    const normd_window_rules *rules);

/* Where the window lands on an axis of this extent: how many outputs there are, and how much
   padding stands before the first value. False when there is no output. */
bool normd_window_place(
    const normd_window *window, size_t axis, size_t extent, size_t *outputs, size_t *before);

/* What is behind the layer, when the flow's images go through the window and have so many channels
   then. A mistake when the window does not fit. */
void normd_window_flow(const normd_window *window, const normd_layer_source *source,
    const normd_images *before, size_t channels, bool channels_last);

/* The shape of the output, and whether x is images of so many channels (0: any) that the window
   fits; `text` receives what was expected. */
bool normd_window_output_shape(const normd_window *window, const normd_shape *x, size_t channels,
    size_t out_channels, bool channels_last, normd_shape *y, char *text);

#endif
