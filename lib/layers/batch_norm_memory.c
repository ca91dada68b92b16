// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm_memory.h"

/* An odd number of cache lines: vectors that are read side by side are not a power of two apart,
   where they would share the few places of one set of a cache. */
static size_t vector_bytes(const normd_batch_norm *norm, const normd_batch_norm_view *view)
{
    size_t bytes = normd_round_to_line(view->channels * normd_dtype_size(norm->base.dtype));
    return bytes / NORMD_ALIGNMENT % 2 == 1 ? bytes : bytes + NORMD_ALIGNMENT;
}

static size_t doubles_bytes(const normd_batch_norm_view *view)
{
    return normd_round_to_line(view->channels * sizeof(double));
}

size_t normd_batch_norm_kept_bytes(const normd_batch_norm *norm, const normd_batch_norm_view *view)
{
    size_t vector = vector_bytes(norm, view), doubles = doubles_bytes(view);
    size_t composed = normd_batch_norm_is_composed(norm, view) ? vector + 2 * doubles : 0;
    return 3 * vector + doubles + composed;
}

normd_batch_norm_kept normd_batch_norm_kept_at(
    const normd_batch_norm *norm, const normd_batch_norm_view *view, void *memory)
{
    char *at = memory;
    size_t vector = vector_bytes(norm, view), doubles = doubles_bytes(view);
    char *composed = at + 3 * vector + doubles;
    normd_batch_norm_kept kept = {
        .mean_high = at,
        .mean_low = at + vector,
        .scale = at + 2 * vector,
        .inverse_deviation = (double *)(void *)(at + 3 * vector),
    };
    if (normd_batch_norm_is_composed(norm, view)) {
        kept.correction = (double *)(void *)composed;
        kept.shift = (double *)(void *)(composed + doubles);
        kept.bias = composed + 2 * doubles;
    }
    return kept;
}

/* Where the parts of the scratch begin. */
typedef struct scratch_plan {
    size_t sums, centered_sums, spare, mean, mean_low, m2, uncertain, unsettled, mean_dy, slope,
        end;
} scratch_plan;

static scratch_plan plan_scratch(const normd_batch_norm *norm, const normd_batch_norm_view *view)
{
    _Static_assert(sizeof(normd_sums) == sizeof(normd_gradient_sums), "one place for both");
    size_t records = view->tiling.chunks * view->channels;
    size_t doubles = doubles_bytes(view);
    bool spare = view->places == NORMD_PLACES_SAMPLES;
    scratch_plan plan = {.sums = 0};
    plan.centered_sums = plan.sums + normd_round_to_line(records * sizeof(normd_sums));
    plan.spare = plan.centered_sums + normd_round_to_line(records * sizeof(normd_centered_sums));
    plan.mean =
        plan.spare + (spare ? normd_round_to_line(records * sizeof(normd_centered_sums)) : 0);
    plan.mean_low = plan.mean + doubles;
    plan.m2 = plan.mean_low + doubles;
    plan.uncertain = plan.m2 + doubles;
    plan.unsettled = plan.uncertain + normd_round_to_line(view->channels);
    plan.mean_dy = plan.unsettled + normd_round_to_line(view->channels);
    plan.slope = plan.mean_dy + vector_bytes(norm, view);
    plan.end = plan.slope + vector_bytes(norm, view);
    return plan;
}

size_t normd_batch_norm_scratch_bytes(
    const normd_batch_norm *norm, const normd_batch_norm_view *view)
{
    return plan_scratch(norm, view).end;
}

normd_batch_norm_scratch normd_batch_norm_scratch_at(
    const normd_batch_norm *norm, const normd_batch_norm_view *view, void *memory)
{
    char *at = memory;
    scratch_plan plan = plan_scratch(norm, view);
    return (normd_batch_norm_scratch){
        .sums = (normd_sums *)(void *)(at + plan.sums),
        .centered_sums = (normd_centered_sums *)(void *)(at + plan.centered_sums),
        .spare_centered_sums = view->places == NORMD_PLACES_SAMPLES
                                   ? (normd_centered_sums *)(void *)(at + plan.spare)
                                   : NULL,
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
