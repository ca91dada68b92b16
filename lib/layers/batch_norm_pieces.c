// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm_pieces.h"

#include <string.h>

#include "lib/kernels/double_double.h"

/* A part of a tile that the kernels can go over at once. */
typedef struct piece {
    size_t offset;  /* elements of x before it */
    size_t channel; /* the view's channel that is its channel 0 */
    normd_geometry geometry;
    normd_tile tile;
} piece;

/* The tile's end among the samples of its group: the last group may have fewer. */
static size_t samples_end(const normd_batch_norm_view *view, const normd_tile *tile)
{
    bool last = tile->channel_begin / view->features + 1 == view->groups;
    size_t samples = last ? view->last_samples : view->samples;
    return tile->outer_end < samples ? tile->outer_end : samples;
}

static size_t pieces_of(const normd_batch_norm_view *view, const normd_tile *tile)
{
    if (view->places == NORMD_PLACES_DENSE) {
        return 1;
    }
    size_t end = samples_end(view, tile);
    size_t samples = end > tile->outer_begin ? end - tile->outer_begin : 0;
    return view->places == NORMD_PLACES_CHUNKS && samples > 0 ? 1 : samples;
}

static piece piece_at(const normd_batch_norm_view *view, const normd_tile *tile, size_t index)
{
    if (view->places == NORMD_PLACES_DENSE) {
        return (piece){.geometry = view->tiling.geometry, .tile = *tile};
    }
    size_t group = tile->channel_begin / view->features;
    size_t sample = view->before * view->features * view->after;
    bool chunk = view->places == NORMD_PLACES_CHUNKS;
    size_t first = tile->outer_begin + index;
    size_t end = chunk ? samples_end(view, tile) : first + 1;
    size_t place = chunk ? group * view->samples + first : first * view->groups + group;
    size_t rows = (end - first) * view->before;
    return (piece){
        .offset = place * sample,
        .channel = group * view->features,
        .geometry = {rows, view->features, view->after},
        .tile = {0, view->features, 0, rows, 0, view->after},
    };
}

static const void *element(const void *values, size_t index, size_t size)
{
    return values == NULL ? NULL : (const char *)values + index * size;
}

static size_t real_bytes(const normd_layer_pass *pass)
{
    return normd_dtype_size(pass->layer->dtype);
}

static normd_normalizer shifted(const normd_normalizer *of, size_t channel, size_t size)
{
    return (normd_normalizer){
        .mean_high = element(of->mean_high, channel, size),
        .mean_low = element(of->mean_low, channel, size),
        .scale = element(of->scale, channel, size),
        .bias = element(of->bias, channel, size),
        .relu = of->relu,
    };
}

void normd_batch_norm_sums(const normd_batch_norm_view *view, const normd_layer_pass *pass,
    const normd_tile *tile, normd_sums *sums, normd_sums *spare)
{
    const normd_kernel_set *kernels = pass->compute->kernels;
    size_t pieces = pieces_of(view, tile), begin = tile->channel_begin, end = tile->channel_end;
    if (pieces == 0) {
        memset(sums + begin, 0, (end - begin) * sizeof *sums);
    }
    for (size_t i = 0; i < pieces; i++) {
        piece one = piece_at(view, tile, i);
        normd_sums *to = i == 0 ? sums : spare;
        kernels->sums(element(pass->x, one.offset, kernels->element_bytes), &one.geometry,
            &one.tile, pass->mask, to + one.channel);
        for (size_t c = begin; i > 0 && c < end; c++) {
            sums[c].value += spare[c].value;
            sums[c].square += spare[c].square;
        }
    }
}

static void add_centered(normd_centered_sums *total, const normd_centered_sums *part)
{
    normd_double_double sum = normd_two_sum(total->sum, part->sum);
    total->sum = sum.high;
    total->error = (total->error + part->error) + sum.low;
    total->square += part->square;
}

void normd_batch_norm_centered_sums(const normd_batch_norm_view *view, const normd_layer_pass *pass,
    const normd_tile *tile, const void *center, const uint8_t *wanted, normd_centered_sums *sums,
    normd_centered_sums *spare)
{
    const normd_kernel_set *kernels = pass->compute->kernels;
    size_t pieces = pieces_of(view, tile), begin = tile->channel_begin, end = tile->channel_end;
    if (pieces == 0) {
        memset(sums + begin, 0, (end - begin) * sizeof *sums);
    }
    for (size_t i = 0; i < pieces; i++) {
        piece one = piece_at(view, tile, i);
        normd_centered_sums *to = i == 0 ? sums : spare;
        kernels->centered_sums(element(pass->x, one.offset, kernels->element_bytes), &one.geometry,
            &one.tile, pass->mask, element(center, one.channel, real_bytes(pass)),
            wanted + one.channel, to + one.channel);
        for (size_t c = begin; i > 0 && c < end; c++) {
            if (wanted[c] != 0) {
                add_centered(&sums[c], &spare[c]);
            }
        }
    }
}

void normd_batch_norm_normalize(const normd_batch_norm_view *view, const normd_layer_pass *pass,
    const normd_tile *tile, const normd_normalizer *normalizer, normd_stores stores)
{
    const normd_kernel_set *kernels = pass->compute->kernels;
    size_t pieces = pieces_of(view, tile), size = kernels->element_bytes;
    for (size_t i = 0; i < pieces; i++) {
        piece one = piece_at(view, tile, i);
        normd_normalizer by = shifted(normalizer, one.channel, real_bytes(pass));
        kernels->normalize(element(pass->x, one.offset, size), (char *)pass->y + one.offset * size,
            &one.geometry, &one.tile, &by, stores);
    }
}

/* The sums of one piece: about the mean where it is far, else about 0. */
static void sum_gradients(const piece *one, const normd_layer_pass *pass,
    const normd_normalizer *gate, const normd_batch_norm_gradient_centers *centers,
    normd_gradient_sums *sums)
{
    const normd_kernel_set *kernels = pass->compute->kernels;
    const void *x = element(pass->x, one->offset, kernels->element_bytes);
    const void *dy = element(pass->dy, one->offset, kernels->element_bytes);
    const uint8_t *centered = centers->centered + one->channel;
    size_t far = 0, size = real_bytes(pass);
    for (size_t c = one->tile.channel_begin; c < one->tile.channel_end; c++) {
        far += centered[c];
    }
    if (far < one->tile.channel_end - one->tile.channel_begin) {
        kernels->gradient_sums(x, dy, &one->geometry, &one->tile, gate, sums);
    }
    if (far > 0) {
        kernels->centered_gradient_sums(x, dy, &one->geometry, &one->tile, gate,
            element(centers->mean_high, one->channel, size),
            element(centers->mean_low, one->channel, size), centered, sums);
    }
}

void normd_batch_norm_gradient_sums(const normd_batch_norm_view *view, const normd_layer_pass *pass,
    const normd_tile *tile, const normd_normalizer *gate,
    const normd_batch_norm_gradient_centers *centers, normd_gradient_sums *sums,
    normd_gradient_sums *spare)
{
    size_t pieces = pieces_of(view, tile), begin = tile->channel_begin, end = tile->channel_end;
    if (pieces == 0) {
        memset(sums + begin, 0, (end - begin) * sizeof *sums);
    }
    for (size_t i = 0; i < pieces; i++) {
        piece one = piece_at(view, tile, i);
        normd_normalizer by = {0};
        if (gate != NULL) {
            by = shifted(gate, one.channel, real_bytes(pass));
        }
        normd_gradient_sums *to = i == 0 ? sums : spare;
        sum_gradients(&one, pass, gate != NULL ? &by : NULL, centers, to + one.channel);
        for (size_t c = begin; i > 0 && c < end; c++) {
            sums[c].dy += spare[c].dy;
            sums[c].dy_x += spare[c].dy_x;
        }
    }
}

void normd_batch_norm_backproject(const normd_batch_norm_view *view, const normd_layer_pass *pass,
    const normd_tile *tile, const normd_normalizer *gate, const normd_backprojector *backprojector,
    normd_stores stores)
{
    const normd_kernel_set *kernels = pass->compute->kernels;
    size_t pieces = pieces_of(view, tile), size = kernels->element_bytes;
    size_t real = real_bytes(pass);
    for (size_t i = 0; i < pieces; i++) {
        piece one = piece_at(view, tile, i);
        normd_normalizer by = {0};
        if (gate != NULL) {
            by = shifted(gate, one.channel, real);
        }
        normd_backprojector to = {
            .mean_high = element(backprojector->mean_high, one.channel, real),
            .mean_low = element(backprojector->mean_low, one.channel, real),
            .mean_dy = element(backprojector->mean_dy, one.channel, real),
            .slope = element(backprojector->slope, one.channel, real),
            .scale = element(backprojector->scale, one.channel, real),
        };
        kernels->backward(element(pass->x, one.offset, size), element(pass->dy, one.offset, size),
            (char *)pass->dx + one.offset * size, &one.geometry, &one.tile, pass->mask,
            gate != NULL ? &by : NULL, &to, stores);
    }
}
