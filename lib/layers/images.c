// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/images.h"

static const char *const format_words[] = {"channels_first", "channels_last", NULL};

normd_images normd_images_of(const normd_shape *shape, bool channels_last)
{
    const size_t *dim = shape->dim;
    normd_images images = {
        .images = dim[0],
        .channels = channels_last ? dim[3] : dim[1],
        .extent = {channels_last ? dim[1] : dim[2], channels_last ? dim[2] : dim[3]},
    };
    images.image_step = dim[1] * dim[2] * dim[3];
    images.channel_step = channels_last ? 1 : images.extent[0] * images.extent[1];
    images.step[1] = channels_last ? images.channels : 1;
    images.step[0] = images.extent[1] * images.step[1];
    return images;
}

normd_shape normd_images_shape(
    size_t images, size_t channels, const size_t extent[2], bool channels_last)
{
    if (channels_last) {
        return (normd_shape){4, {images, extent[0], extent[1], channels}};
    }
    return (normd_shape){4, {images, channels, extent[0], extent[1]}};
}

bool normd_images_read_format(const normd_layer_source *source)
{
    int preferred = normd_convention_facts_of(source->convention)->axis == -1;
    return normd_options_word(source->options, "data_format", format_words, preferred) == 1;
}

const char *normd_images_format_name(bool channels_last)
{
    return format_words[channels_last];
}

normd_images normd_images_before(const normd_layer_source *source, bool channels_last)
{
    const normd_flow *flow = source->flow;
    if (flow->shape.rank == 4) {
        return normd_images_of(&flow->shape, channels_last);
    }
    if (flow->shape.rank != 0) {
        char got[NORMD_SHAPE_TEXT_BYTES];
        normd_options_fail(source->options, "type", "expected images, %s, before the layer, got %s",
            channels_last ? "(N, height, width, channels)" : "(N, channels, height, width)",
            normd_flow_format(flow, got, sizeof got));
    }
    return (normd_images){.channels = flow->shape.rank == 0 ? flow->features : 0};
}

static bool read_extent(const json_t *value, int64_t least, int64_t most, size_t *extent)
{
    json_int_t number = json_integer_value(value);
    *extent = (size_t)number;
    return json_is_integer(value) && number >= least && number <= most;
}

void normd_images_read_pair(
    normd_options *options, const char *key, int64_t least, int64_t most, size_t pair[2])
{
    const json_t *value = normd_options_any(options, key);
    if (value == NULL) {
        return;
    }
    bool list = json_is_array(value);
    bool ok = !list || json_array_size(value) == 2;
    for (size_t i = 0; i < 2 && ok; i++) {
        ok = read_extent(list ? json_array_get(value, i) : value, least, most, &pair[i]);
    }
    if (!ok) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(options, key,
            "expected an integer in [%lld, %lld], or a list of two, height and width, got %s",
            (long long)least, (long long)most, normd_options_show(value, got, sizeof got));
    }
}

json_t *normd_images_pair(const size_t pair[2])
{
    return json_pack("[I, I]", (json_int_t)pair[0], (json_int_t)pair[1]);
}
