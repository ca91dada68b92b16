// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm_memory.h"

normd_geometry normd_batch_norm_geometry(const normd_batch_norm *norm, const normd_shape *x)
{
    normd_geometry geometry = {.outer = x->dim[0], .channels = norm->features, .inner = 1};
    for (uint32_t axis = 1; axis < x->rank; axis++) {
        if (norm->channels_last && axis + 1 < x->rank) {
            geometry.outer *= x->dim[axis];
        } else if (!norm->channels_last && axis > 1) {
            geometry.inner *= x->dim[axis];
        }
    }
    return geometry;
}

static size_t vector_bytes(const normd_batch_norm *norm)
{
    return normd_round_to_line(norm->features * normd_dtype_size(norm->base.dtype));
}

size_t normd_batch_norm_kept_bytes(const normd_batch_norm *norm)
{
    return 3 * vector_bytes(norm) + normd_round_to_line(norm->features * sizeof(double));
}

normd_batch_norm_kept normd_batch_norm_kept_at(const normd_batch_norm *norm, void *memory)
{
    char *at = memory;
    size_t vector = vector_bytes(norm);
    return (normd_batch_norm_kept){
        .mean_high = at,
        .mean_low = at + vector,
        .scale = at + 2 * vector,
        .inverse_deviation = (double *)(void *)(at + 3 * vector),
    };
}

static size_t records_bytes(const normd_batch_norm *norm, const normd_tiling *tiling)
{
    _Static_assert(sizeof(normd_backward_sums) <= sizeof(normd_moments), "one size for both");
    return normd_round_to_line(tiling->chunks * norm->features * sizeof(normd_moments));
}

size_t normd_batch_norm_scratch_bytes(const normd_batch_norm *norm, const normd_tiling *tiling)
{
    return records_bytes(norm, tiling) + 2 * vector_bytes(norm);
}

normd_batch_norm_scratch normd_batch_norm_scratch_at(
    const normd_batch_norm *norm, const normd_tiling *tiling, void *memory)
{
    char *at = memory;
    size_t records = records_bytes(norm, tiling);
    return (normd_batch_norm_scratch){
        .records = at,
        .first = at + records,
        .second = at + records + vector_bytes(norm),
    };
}
