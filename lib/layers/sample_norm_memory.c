// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/sample_norm_memory.h"

/* x as (samples, before, features, behind): one of the two is 1. */
typedef struct extents {
    size_t samples, before, behind;
} extents;

static extents extents_of(const normd_sample_norm *norm, const normd_shape *x)
{
    extents e = {.samples = x->dim[0], .before = 1, .behind = 1};
    if (norm->over_last_axes) {
        for (uint32_t axis = 1; axis < x->rank - norm->normalized.rank; axis++) {
            e.samples *= x->dim[axis];
        }
        return e;
    }
    for (uint32_t axis = 1; axis < x->rank; axis++) {
        if (norm->channels_last && axis + 1 < x->rank) {
            e.before *= x->dim[axis];
        } else if (!norm->channels_last && axis > 1) {
            e.behind *= x->dim[axis];
        }
    }
    return e;
}

normd_sample_view normd_sample_view_of(const normd_sample_norm *norm, const normd_shape *x)
{
    extents e = extents_of(norm, x);
    size_t per_group = norm->features / norm->groups;
    normd_sample_view view = {
        .rows = e.before == 1 && e.behind == 1,
        .blocks = 1,
        .samples = e.samples,
        .groups = e.samples * norm->groups,
        .per_group = per_group,
        .count = (double)per_group * (double)e.before * (double)e.behind,
    };
    if (view.rows || e.before == 1) {
        view.moments = (normd_geometry){1, view.groups, per_group * e.behind};
        view.joint = (normd_geometry){1, e.samples * norm->features, e.behind};
    } else {
        view.blocks = e.samples;
        view.moments = (normd_geometry){e.before, norm->groups, per_group};
        view.joint = (normd_geometry){e.before, norm->features, 1};
    }
    view.joints = view.rows ? 0 : e.samples * norm->features;
    view.block_values = view.moments.outer * view.moments.channels * view.moments.inner;
    return view;
}

normd_geometry normd_sample_view_features(
    const normd_sample_norm *norm, const normd_sample_view *view, const normd_shape *x)
{
    extents e = extents_of(norm, x);
    return (normd_geometry){view->samples * e.before, norm->features, e.behind};
}

/* Reserves room behind what is used. */
static void *carve(char *memory, size_t *used, size_t bytes)
{
    size_t at = *used;
    *used += normd_round_to_line(bytes);
    return memory != NULL ? memory + at : NULL;
}

size_t normd_sample_norm_keep(const normd_sample_norm *norm, const normd_sample_view *view,
    void *memory, normd_sample_norm_kept *kept)
{
    size_t used = 0, size = normd_dtype_size(norm->base.dtype);
    size_t values = view->groups > norm->features ? view->groups : norm->features;
    kept->mean_high = carve(memory, &used, values * size);
    kept->mean_low = carve(memory, &used, values * size);
    kept->scale = carve(memory, &used, values * size);
    kept->inverse_deviation = carve(memory, &used, values * sizeof(double));
    return used;
}

size_t normd_sample_norm_lay_forward(const normd_sample_norm *norm, const normd_sample_view *view,
    void *memory, normd_sample_norm_scratch *scratch)
{
    size_t used = 0, size = normd_dtype_size(norm->base.dtype);
    size_t groups = view->groups, records = normd_tiling_of(&view->moments).chunks * groups;
    scratch->sums = carve(memory, &used, records * sizeof(normd_sums));
    scratch->centered_sums = carve(memory, &used, records * sizeof(normd_centered_sums));
    scratch->moments.mean = carve(memory, &used, groups * sizeof(double));
    scratch->moments.mean_low = carve(memory, &used, groups * sizeof(double));
    scratch->moments.m2 = carve(memory, &used, groups * sizeof(double));
    scratch->moments.uncertain = carve(memory, &used, groups);
    scratch->unsettled = carve(memory, &used, groups);
    scratch->high = carve(memory, &used, view->joints * size);
    scratch->low = carve(memory, &used, view->joints * size);
    scratch->scale = carve(memory, &used, view->joints * size);
    scratch->bias = carve(memory, &used, view->joints * size);
    return used;
}

size_t normd_sample_norm_lay_backward(const normd_sample_norm *norm, const normd_sample_view *view,
    void *memory, normd_sample_norm_sums *sums)
{
    size_t used = 0, size = normd_dtype_size(norm->base.dtype);
    normd_tiling tiling = normd_sample_norm_backward_tiling(norm, view);
    size_t records = view->rows ? tiling.ranges * view->groups : tiling.chunks * view->joints;
    size_t features = view->rows ? tiling.chunks * norm->features : 0;
    size_t settled = view->rows ? view->groups : view->joints;
    sums->sums = carve(memory, &used, records * sizeof(normd_gradient_sums));
    sums->dbeta = carve(memory, &used, features * sizeof(double));
    sums->dgamma = carve(memory, &used, features * sizeof(double));
    sums->high = carve(memory, &used, view->joints * size);
    sums->low = carve(memory, &used, view->joints * size);
    sums->gamma = carve(memory, &used, view->joints * size);
    sums->scale = carve(memory, &used, view->joints * size);
    sums->mean_dy = carve(memory, &used, settled * size);
    sums->slope = carve(memory, &used, settled * size);
    return used;
}

normd_tiling normd_sample_norm_backward_tiling(
    const normd_sample_norm *norm, const normd_sample_view *view)
{
    const normd_geometry rows = {view->samples, norm->features, 1};
    return normd_tiling_of(view->rows ? &rows : &view->joint);
}

void normd_sample_norm_spread(
    const normd_sample_norm *norm, const normd_sample_view *view, const void *from, void *to)
{
    normd_dtype dtype = norm->base.dtype;
    for (size_t group = 0, j = 0; group < view->groups; group++) {
        double value = normd_value_load(dtype, from, group);
        for (size_t end = j + view->per_group; j < end; j++) {
            normd_value_store(dtype, to, j, value);
        }
    }
}
