// SPDX-License-Identifier: Apache-2.0
#include "lib/session/statistics_layers.h"

static void fill(const normd_statistics_collection *collection, normd_measures *measures)
{
    for (size_t m = 0; m < measures->count; m++) {
        const normd_measure *measure = &measures->measure[m];
        const normd_array *mean = &measure->array[0];
        const normd_array *var = &measure->array[1];
        const normd_moments *moments = collection->moments + collection->begin[measure->layer];
        for (size_t c = 0; c < mean->shape.dim[0]; c++) {
            normd_value_store(mean->dtype, mean->data, c, moments[c].mean);
            normd_value_store(var->dtype, var->data, c, moments[c].m2 / moments[c].count);
        }
    }
}

normd_status normd_session_batch_statistics(normd_session *session, const normd_array *x,
    const normd_array *mask, const char *layer, normd_measures *measures, normd_error *error)
{
    *measures = (normd_measures){.version = session->current->version};
    normd_statistics_collection collection = {.model = NULL};
    normd_status status = normd_statistics_check(session->model, layer, false, error);
    if (status == NORMD_OK) {
        status = normd_statistics_collection_open(&collection, session->model, layer, false, error);
    }
    if (status == NORMD_OK) {
        status = normd_statistics_collect(session, x, mask, &collection, error);
    }
    if (status == NORMD_OK) {
        status = normd_measures_make(&collection, "mean", "var", measures, error);
    }
    if (status == NORMD_OK) {
        fill(&collection, measures);
    }
    normd_statistics_collection_close(&collection);
    return status;
}
