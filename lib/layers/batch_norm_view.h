// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_BATCH_NORM_VIEW_H
#define NORMD_LAYERS_BATCH_NORM_VIEW_H

#include "lib/kernels/tiling.h"
#include "lib/layers/batch_norm.h"

/* The batch as one dense array (outer, features, inner). */
normd_geometry normd_batch_norm_geometry(const normd_batch_norm *norm, const normd_shape *x);

/* The elements of the batch, a measure of the work. */
static inline size_t normd_batch_norm_values(const normd_geometry *geometry)
{
    return geometry->outer * geometry->channels * geometry->inner;
}

/* Where the values of a virtual batch lie. */
typedef enum normd_batch_norm_places {
    /* The batch is one dense array (samples, channels, inner): the batch as a whole, and strided
       virtual batches of samples that begin with their features. */
    NORMD_PLACES_DENSE,
    /* Each virtual batch is one piece of memory. */
    NORMD_PLACES_CHUNKS,
    /* Each sample of a virtual batch is a piece of its own. */
    NORMD_PLACES_SAMPLES,
} normd_batch_norm_places;

/*
 * How a pass sees a batch. Statistics belong to a channel; where the batch is cut into virtual
 * batches (groups), each has channels of its own: channel c is feature c % features of group
 * c / features. So G groups of C features are a batch norm of G C channels, with gamma and beta
 * repeated.
 *
 * Tiles are those of an array (samples, channels, before * after), which is the memory's own order
 * where `places` says dense; elsewhere a tile is some samples of one group, and
 * batch_norm_pieces.h finds them.
 */
typedef struct normd_batch_norm_view {
    size_t features;
    size_t groups;
    size_t channels;              /* groups * features */
    size_t samples, last_samples; /* of a group, and of the last one, which may have fewer */
    size_t before, after;         /* positions of a sample before and behind the features */
    normd_batch_norm_places places;
    normd_tiling tiling;
    double additions; /* as normd_tiling_additions has it */
} normd_batch_norm_view;

/* Strided virtual batches must divide the rows of x; where they do not, the view is of whole ones,
   for the sizes of memory alone. */
normd_batch_norm_view normd_batch_norm_view_of(const normd_batch_norm *norm, const normd_shape *x);
/* The same without virtual batches. */
normd_batch_norm_view normd_batch_norm_whole_view(
    const normd_batch_norm *norm, const normd_shape *x);

/* The values that a channel has statistics of. */
static inline size_t normd_batch_norm_count(const normd_batch_norm_view *view, size_t channel)
{
    bool last = channel >= (view->groups - 1) * view->features;
    return (last ? view->last_samples : view->samples) * view->before * view->after;
}

/* The end of the channels from `begin` on, at most `end`, that have one count. */
static inline size_t normd_batch_norm_count_end(
    const normd_batch_norm_view *view, size_t begin, size_t end)
{
    size_t last = (view->groups - 1) * view->features;
    return begin < last && last < end ? last : end;
}

#endif
