// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/session/statistics_layers.h"

static void fill_layer(const normd_snapshot *snapshot, const normd_batch_norm *norm,
    const normd_moments *moments, const normd_measure *measure)
{
    const char *statistics = normd_slab_data(snapshot->statistics);
    normd_dtype dtype = norm->base.dtype;
    bool unbiased = norm->unbiased && measure->count > 1.0;
    double divisor = unbiased ? measure->count - 1.0 : measure->count;
    for (size_t c = 0; c < norm->features; c++) {
        double mean = normd_value_load(dtype, statistics + norm->mean->offset, c);
        double var = normd_value_load(dtype, statistics + norm->var->offset, c) + norm->eps;
        double shift = (moments[c].mean - mean + moments[c].mean_low) / sqrt(var);
        double ratio = (moments[c].m2 / divisor + norm->eps) / var;
        normd_value_store(dtype, measure->array[0].data, c, shift);
        normd_value_store(dtype, measure->array[1].data, c, ratio);
    }
}

/* Inference over x with the collection as its observer. */
static normd_status infer(const normd_snapshot *snapshot, const normd_array *x,
    normd_statistics_collection *collection, normd_error *error)
{
    normd_observer observer = normd_statistics_observer(collection);
    normd_tensor y = {.buffer = NULL};
    normd_status status = normd_snapshot_observe(snapshot, x, NULL, &observer, &y, error);
    normd_tensor_release(&y);
    return status;
}

static void fill(const normd_snapshot *snapshot, const normd_statistics_collection *collection,
    const normd_measures *measures)
{
    for (size_t m = 0; m < measures->count; m++) {
        const normd_measure *measure = &measures->measure[m];
        fill_layer(snapshot, normd_statistics_norm(snapshot->model, measure->layer),
            collection->moments + collection->begin[measure->layer], measure);
    }
}

normd_status normd_snapshot_drift(const normd_snapshot *snapshot, const normd_array *x,
    const char *layer, normd_measures *measures, normd_error *error)
{
    *measures = (normd_measures){.version = snapshot->version};
    normd_statistics_collection collection = {.model = NULL};
    normd_status status = normd_statistics_check(snapshot->model, layer, true, error);
    if (status == NORMD_OK) {
        status = normd_statistics_collection_open(&collection, snapshot->model, layer, true, error);
    }
    if (status == NORMD_OK) {
        status = infer(snapshot, x, &collection, error);
    }
    if (status == NORMD_OK) {
        status = normd_measures_make(&collection, "mean_shift", "variance_ratio", measures, error);
    }
    if (status == NORMD_OK) {
        fill(snapshot, &collection, measures);
    }
    normd_statistics_collection_close(&collection);
    return status;
}
