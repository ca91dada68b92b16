// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/layers/batch_norm_memory.h"

static bool batch_norm_prepare(normd_layer *layer)
{
    normd_batch_norm *norm = (normd_batch_norm *)layer;
    norm->zeros = calloc(norm->features, normd_dtype_size(layer->dtype));
    return norm->zeros != NULL;
}

static void batch_norm_destroy(normd_layer *layer)
{
    free(((normd_batch_norm *)layer)->zeros);
    free(layer);
}

static bool batch_norm_output_shape(
    const normd_layer *layer, const normd_shape *x, normd_shape *y, char *text)
{
    const normd_batch_norm *norm = normd_batch_norm_of(layer);
    size_t axis = norm->channels_last ? x->rank - 1 : 1;
    if (x->rank < 2 || x->dim[axis] != norm->features) {
        bool last = norm->channels_last;
        const char *before = x->rank == 2 || !last ? "" : "..., ";
        const char *behind = x->rank == 2 || last ? "" : ", ...";
        snprintf(text, NORMD_SHAPE_TEXT_BYTES, "(N, %s%zu%s)", before, norm->features, behind);
        return false;
    }
    *y = *x;
    return true;
}

static void batch_norm_need(const normd_layer *layer, const normd_shape *x, normd_layer_need *need)
{
    const normd_batch_norm *norm = normd_batch_norm_of(layer);
    normd_geometry geometry = normd_batch_norm_geometry(norm, x);
    normd_tiling tiling = normd_tiling_of(&geometry);
    need->kept = normd_batch_norm_kept_bytes(norm);
    need->scratch = normd_batch_norm_scratch_bytes(norm, &tiling);
}

static uint64_t batch_norm_cost(const normd_layer *layer, const normd_shape *x)
{
    size_t elements = 0;
    if (!normd_shape_elements(x, &elements)) {
        return UINT64_MAX;
    }
    /* Without running statistics the batch is read twice more. */
    return normd_batch_norm_of(layer)->track ? elements : 3 * (uint64_t)elements;
}

const normd_layer_operations normd_batch_norm_operations = {
    .type = "batch_norm",
    .in_place = true,
    .backward_reads_x = true,
    .takes_mask = true,
    .takes_relu = true,
    .create = normd_batch_norm_create,
    .prepare = batch_norm_prepare,
    .destroy = batch_norm_destroy,
    .describe = normd_batch_norm_describe,
    .output_shape = batch_norm_output_shape,
    .need = batch_norm_need,
    .forward = normd_batch_norm_forward,
    .infer = normd_batch_norm_infer,
    .backward = normd_batch_norm_backward,
    .derive = normd_batch_norm_derive,
    .cost = batch_norm_cost,
};
