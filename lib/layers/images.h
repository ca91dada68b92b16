// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_IMAGES_H
#define NORMD_LAYERS_IMAGES_H

#include "lib/layers/layer.h"

/*
 * Batches of images: (N, C, H, W), or (N, H, W, C) where the channels are last. Height stands
 * before width in every pair.
 */
typedef struct normd_images {
    size_t images, channels, extent[2];
    /* Elements from one to the next. */
    size_t image_step, channel_step, step[2];
} normd_images;

/* Of a shape of rank 4. */
normd_images normd_images_of(const normd_shape *shape, bool channels_last);
normd_shape normd_images_shape(
    size_t images, size_t channels, const size_t extent[2], bool channels_last);

/* The option `data_format`, "channels_first" or "channels_last"; the convention's when missing. */
bool normd_images_read_format(const normd_layer_source *source);
const char *normd_images_format_name(bool channels_last);

/* What comes before the layer, as (0, C, H, W) with 0 for what is not known. A mistake when it is
   known to be no batch of images. */
normd_images normd_images_before(const normd_layer_source *source, bool channels_last);

/* A pair of integers, [height, width], or one for both. `pair` stays as it is when the key is
   missing. */
void normd_images_read_pair(
    normd_options *options, const char *key, int64_t least, int64_t most, size_t pair[2]);
json_t *normd_images_pair(const size_t pair[2]);

#endif
