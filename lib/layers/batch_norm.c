// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/layers/batch_norm_memory.h"

static bool batch_norm_prepare(normd_layer *layer)
{
    normd_batch_norm *norm = (normd_batch_norm *)layer;
    norm->zeros = calloc(norm->features + 1, normd_dtype_size(layer->dtype));
    return norm->zeros != NULL;
}

static void batch_norm_destroy(normd_layer *layer)
{
    free(((normd_batch_norm *)layer)->zeros);
    free(layer);
}

/* "(N, ?, 4, ...)" for axis 2: the axes from where counting starts to the features. */
static void write_expected(const normd_batch_norm *norm, uint32_t rank, char *text)
{
    char around[8 * NORMD_MAX_RANK] = "";
    int between = norm->axis > 0 ? norm->axis - 1 : -norm->axis - 1;
    size_t used = 0;
    for (int i = 0; i < between; i++) {
        const char *one = norm->axis > 0 ? "?, " : ", ?";
        used += (size_t)snprintf(around + used, sizeof around - used, "%s", one);
    }
    const char *more = rank == 2 ? "" : norm->axis > 0 ? ", ..." : "..., ";
    const char *of = norm->largest_rank < NORMD_MAX_RANK ? " of " : "";
    snprintf(text, NORMD_SHAPE_TEXT_BYTES, "(N, %s%zu%s)%s%s", norm->axis > 0 ? around : more,
        norm->features, norm->axis > 0 ? more : around, of, *of != '\0' ? norm->axes : "");
}

static bool batch_norm_output_shape(
    const normd_layer *layer, const normd_shape *x, normd_shape *y, char *text)
{
    const normd_batch_norm *norm = normd_batch_norm_of(layer);
    uint32_t axis = normd_batch_norm_axis(norm, x->rank);
    bool rank_fits = x->rank >= norm->least_rank && x->rank <= norm->largest_rank;
    if (!rank_fits || axis == x->rank || x->dim[axis] != norm->features) {
        write_expected(norm, x->rank, text);
        return false;
    }
    *y = *x;
    return true;
}

static void batch_norm_need(const normd_layer *layer, const normd_shape *x, normd_layer_need *need)
{
    const normd_batch_norm *norm = normd_batch_norm_of(layer);
    normd_batch_norm_view view = normd_batch_norm_view_of(norm, x);
    need->kept = normd_batch_norm_kept_bytes(norm, &view);
    need->scratch = normd_batch_norm_scratch_bytes(norm, &view);
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
    .initialize = normd_batch_norm_initialize,
    .derive = normd_batch_norm_derive,
    .cost = batch_norm_cost,
};
