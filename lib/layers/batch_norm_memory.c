// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm_memory.h"

normd_geometry normd_batch_norm_geometry(const normd_batch_norm *norm, const normd_shape *x)
{
    normd_geometry geometry = {.outer = x->dim[0], .channels = norm->features, .inner = 1};
    uint32_t features = normd_batch_norm_axis(norm, x->rank);
    for (uint32_t axis = 1; axis < x->rank; axis++) {
        if (axis != features) {
            *(axis < features ? &geometry.outer : &geometry.inner) *= x->dim[axis];
        }
    }
    return geometry;
}

/* An odd number of cache lines: vectors that are read side by side are not a power of two apart,
   where they would share the few places of one set of a cache. */
static size_t vector_bytes(const normd_batch_norm *norm)
{
    size_t bytes = normd_round_to_line(norm->features * normd_dtype_size(norm->base.dtype));
    return bytes / NORMD_ALIGNMENT % 2 == 1 ? bytes : bytes + NORMD_ALIGNMENT;
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

/* Where the parts of the scratch begin. */
typedef struct scratch_plan {
    size_t sums, centered_sums, mean, mean_low, m2, uncertain, unsettled, mean_dy, slope, end;
} scratch_plan;

static scratch_plan plan_scratch(const normd_batch_norm *norm, const normd_tiling *tiling)
{
    _Static_assert(sizeof(normd_sums) == sizeof(normd_gradient_sums), "one place for both");
    size_t records = tiling->chunks * norm->features;
    size_t doubles = normd_round_to_line(norm->features * sizeof(double));
    scratch_plan plan = {.sums = 0};
    plan.centered_sums = plan.sums + normd_round_to_line(records * sizeof(normd_sums));
    plan.mean = plan.centered_sums + normd_round_to_line(records * sizeof(normd_centered_sums));
    plan.mean_low = plan.mean + doubles;
    plan.m2 = plan.mean_low + doubles;
    plan.uncertain = plan.m2 + doubles;
    plan.unsettled = plan.uncertain + normd_round_to_line(norm->features);
    plan.mean_dy = plan.unsettled + normd_round_to_line(norm->features);
    plan.slope = plan.mean_dy + vector_bytes(norm);
    plan.end = plan.slope + vector_bytes(norm);
    return plan;
}

size_t normd_batch_norm_scratch_bytes(const normd_batch_norm *norm, const normd_tiling *tiling)
{
    return plan_scratch(norm, tiling).end;
}

normd_batch_norm_scratch normd_batch_norm_scratch_at(
    const normd_batch_norm *norm, const normd_tiling *tiling, void *memory)
{
    char *at = memory;
    scratch_plan plan = plan_scratch(norm, tiling);
    return (normd_batch_norm_scratch){
        .sums = (normd_sums *)(void *)(at + plan.sums),
        .centered_sums = (normd_centered_sums *)(void *)(at + plan.centered_sums),
        .moments =
            {
                .mean = (double *)(void *)(at + plan.mean),
                .mean_low = (double *)(void *)(at + plan.mean_low),
                .m2 = (double *)(void *)(at + plan.m2),
                .uncertain = (uint8_t *)(at + plan.uncertain),
            },
        .unsettled = (uint8_t *)(at + plan.unsettled),
        .mean_dy = at + plan.mean_dy,
        .slope = at + plan.slope,
    };
}
