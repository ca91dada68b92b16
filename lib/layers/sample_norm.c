// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/sample_norm.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/layers/sample_norm_memory.h"

static bool sample_norm_prepare(normd_layer *layer)
{
    normd_sample_norm *norm = (normd_sample_norm *)layer;
    size_t size = normd_dtype_size(layer->dtype);
    norm->zeros = calloc(norm->features + 1, size);
    norm->ones = calloc(norm->features + 1, size);
    for (size_t i = 0; norm->ones != NULL && i < norm->features; i++) {
        normd_value_store(layer->dtype, norm->ones, i, 1.0);
    }
    return norm->zeros != NULL && norm->ones != NULL;
}

static void sample_norm_destroy(normd_layer *layer)
{
    free(((normd_sample_norm *)layer)->zeros);
    free(((normd_sample_norm *)layer)->ones);
    free(layer);
}

/* Writes "(N, ..., 4, 8)", or with the features where their axis is. */
static void expected_text(const normd_sample_norm *norm, char *text)
{
    if (!norm->over_last_axes) {
        static const char *const free_axes[6] = {"...", "", "", "?", "?, ?", "?, ?, ?"};
        const char *others = free_axes[norm->rank];
        bool last = norm->channels_last;
        snprintf(text, NORMD_SHAPE_TEXT_BYTES, "(N, %s%s%zu%s%s)", last ? others : "",
            last ? ", " : "", norm->features, last ? "" : ", ", last ? "" : others);
        return;
    }
    size_t used = (size_t)snprintf(text, NORMD_SHAPE_TEXT_BYTES, "(N, ...");
    for (uint32_t axis = 0; axis < norm->normalized.rank && used < NORMD_SHAPE_TEXT_BYTES; axis++) {
        used += (size_t)snprintf(
            text + used, NORMD_SHAPE_TEXT_BYTES - used, ", %zu", norm->normalized.dim[axis]);
    }
    if (used < NORMD_SHAPE_TEXT_BYTES) {
        snprintf(text + used, NORMD_SHAPE_TEXT_BYTES - used, ")");
    }
}

static bool takes(const normd_sample_norm *norm, const normd_shape *x)
{
    if (!norm->over_last_axes) {
        bool rank = norm->rank == 0 ? x->rank >= 2 : x->rank == norm->rank;
        return rank && x->dim[norm->channels_last ? x->rank - 1 : 1] == norm->features;
    }
    const normd_shape *normalized = &norm->normalized;
    bool ok = x->rank > normalized->rank;
    for (uint32_t axis = 0; axis < normalized->rank && ok; axis++) {
        ok = x->dim[x->rank - normalized->rank + axis] == normalized->dim[axis];
    }
    return ok;
}

static bool sample_norm_output_shape(
    const normd_layer *layer, const normd_shape *x, normd_shape *y, char *text)
{
    const normd_sample_norm *norm = normd_sample_norm_of(layer);
    if (!takes(norm, x)) {
        expected_text(norm, text);
        return false;
    }
    *y = *x;
    return true;
}

static void sample_norm_need(const normd_layer *layer, const normd_shape *x, normd_layer_need *need)
{
    const normd_sample_norm *norm = normd_sample_norm_of(layer);
    normd_sample_view view = normd_sample_view_of(norm, x);
    normd_sample_norm_kept kept;
    normd_sample_norm_scratch scratch;
    normd_sample_norm_sums sums;
    need->kept = normd_sample_norm_keep(norm, &view, NULL, &kept);
    size_t forward = normd_sample_norm_lay_forward(norm, &view, NULL, &scratch);
    size_t backward = normd_sample_norm_lay_backward(norm, &view, NULL, &sums);
    need->scratch = forward > backward ? forward : backward;
}

static uint64_t sample_norm_cost(const normd_layer *layer, const normd_shape *x)
{
    size_t elements = 0;
    if (!normd_shape_elements(x, &elements)) {
        return UINT64_MAX;
    }
    return normd_sample_norm_of(layer)->track ? elements : 3 * (uint64_t)elements;
}

#define SAMPLE_NORM_OPERATIONS(kind)                                                               \
    const normd_layer_operations normd_##kind##_operations = {                                     \
        .type = #kind,                                                                             \
        .in_place = true,                                                                          \
        .backward_reads_x = true,                                                                  \
        .create = normd_##kind##_create,                                                           \
        .prepare = sample_norm_prepare,                                                            \
        .destroy = sample_norm_destroy,                                                            \
        .describe = normd_sample_norm_describe,                                                    \
        .output_shape = sample_norm_output_shape,                                                  \
        .need = sample_norm_need,                                                                  \
        .forward = normd_sample_norm_forward,                                                      \
        .infer = normd_sample_norm_infer,                                                          \
        .backward = normd_sample_norm_backward,                                                    \
        .derive = normd_sample_norm_derive,                                                        \
        .cost = sample_norm_cost,                                                                  \
    };

SAMPLE_NORM_OPERATIONS(layer_norm)
SAMPLE_NORM_OPERATIONS(rms_norm)
SAMPLE_NORM_OPERATIONS(group_norm)
SAMPLE_NORM_OPERATIONS(instance_norm)
