// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm_view.h"

#include "lib/kernels/order.h"

enum {
    CACHED_VALUES = 131072, /* of a tile whose sums and results are computed one after the other */
    TILE_VALUES = 65536,    /* least of a tile of a larger group */
    MOST_CHUNKS = 32,       /* of a group */
};

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

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

/* As torch.chunk(x, ceil(N / size)) has it: the fewest chunks of at most `size` samples, all but
   the last of one size. */
static void cut_contiguous(normd_batch_norm_view *view, size_t size, size_t samples)
{
    view->samples = divide_up(samples, divide_up(samples, size));
    view->groups = divide_up(samples, view->samples);
    view->last_samples = samples - (view->groups - 1) * view->samples;
    view->places = NORMD_PLACES_CHUNKS;
}

static void cut_strided(normd_batch_norm_view *view, size_t size, size_t samples)
{
    view->groups = samples > size ? samples / size : 1;
    view->samples = samples / view->groups;
    view->last_samples = view->samples;
    view->places = view->before == 1 ? NORMD_PLACES_DENSE : NORMD_PLACES_SAMPLES;
}

/* A tile is some samples of one group. */
static void tile_groups(normd_batch_norm_view *view)
{
    size_t inner = view->before * view->after, sample = view->features * inner;
    size_t rows = view->samples;
    if (rows * sample > CACHED_VALUES) {
        size_t least = divide_up(TILE_VALUES, sample), parts = divide_up(rows, MOST_CHUNKS);
        rows = least > parts ? least : parts;
    }
    size_t chunks = divide_up(view->samples, rows);
    view->tiling = (normd_tiling){
        .ranges = view->groups,
        .chunks = chunks,
        .row_chunks = chunks,
        .pieces = 1,
        .channels_per_range = view->features,
        .rows_per_chunk = rows,
        .values_per_piece = inner,
        .geometry = {view->samples, view->channels, inner},
    };
    bool whole = view->places == NORMD_PLACES_CHUNKS;
    normd_geometry piece = {
        (whole ? view->samples : 1) * view->before, view->features, view->after};
    size_t piece_rows = (whole ? rows : 1) * view->before;
    view->additions = normd_order_additions(&piece, chunks, piece_rows, view->after) +
                      (whole ? 0.0 : (double)rows);
}

normd_batch_norm_view normd_batch_norm_whole_view(
    const normd_batch_norm *norm, const normd_shape *x)
{
    normd_geometry geometry = normd_batch_norm_geometry(norm, x);
    normd_tiling tiling = normd_tiling_of(&geometry);
    size_t samples = x->dim[0];
    return (normd_batch_norm_view){
        .features = norm->features,
        .groups = 1,
        .channels = norm->features,
        .samples = samples,
        .last_samples = samples,
        .before = samples > 0 ? geometry.outer / samples : 1,
        .after = geometry.inner,
        .places = NORMD_PLACES_DENSE,
        .tiling = tiling,
        .additions = normd_tiling_additions(&tiling),
    };
}

normd_batch_norm_view normd_batch_norm_view_of(const normd_batch_norm *norm, const normd_shape *x)
{
    normd_batch_norm_view view = normd_batch_norm_whole_view(norm, x);
    bool values = normd_batch_norm_values(&view.tiling.geometry) > 0;
    if (!values || norm->virtual_batch == 0 || !normd_batch_norm_uses_batch(norm)) {
        return view;
    }
    (norm->virtual_strided ? cut_strided : cut_contiguous)(&view, norm->virtual_batch, x->dim[0]);
    view.channels = view.groups * view.features;
    if (view.groups == 1) {
        view.places = NORMD_PLACES_DENSE;
    } else if (view.places == NORMD_PLACES_DENSE) {
        normd_geometry geometry = {view.samples, view.channels, view.after};
        view.tiling = normd_tiling_of(&geometry);
        view.additions = normd_tiling_additions(&view.tiling);
    } else {
        tile_groups(&view);
    }
    return view;
}
