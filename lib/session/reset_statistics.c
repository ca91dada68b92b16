// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "lib/session/statistics_layers.h"

/* What statistics start from says what they are reset to, whatever values were given for them. */
static void reset_tensor(const normd_layer_tensor *tensor, char *statistics)
{
    char *values = statistics + tensor->offset;
    bool ones = tensor->init_default != NULL && strcmp(tensor->init_default, "ones") == 0;
    memset(values, 0, tensor->elements * normd_dtype_size(tensor->dtype));
    for (size_t i = 0; ones && i < tensor->elements; i++) {
        normd_value_store(tensor->dtype, values, i, 1.0);
    }
}

normd_status normd_session_reset_statistics(
    normd_session *session, const char *layer, uint64_t *version, normd_error *error)
{
    const normd_model *model = session->model;
    const normd_snapshot *base = session->current;
    normd_change change = {.version = base->version + 1, .steps = base->steps};
    normd_status status = normd_statistics_check(model, layer, true, error);
    if (status == NORMD_OK) {
        change.statistics = normd_slab_take(session->statistic_shelf);
        status = change.statistics == NULL ? normd_error_no_memory(error) : NORMD_OK;
    }
    if (status == NORMD_OK) {
        char *statistics = normd_slab_data(change.statistics);
        memcpy(statistics, normd_slab_data(base->statistics), model->statistic_bytes);
        for (size_t i = 0; i < model->layers; i++) {
            const normd_layer *one = model->layer[i];
            bool asked = normd_statistics_asked(model, i, layer);
            for (size_t t = 0; asked && t < one->tensors; t++) {
                if (one->tensor[t].slab == NORMD_SLAB_STATISTICS) {
                    reset_tensor(&one->tensor[t], statistics);
                }
            }
            if (asked && one->operations->initialize != NULL) {
                const char *parameters = normd_slab_data(base->parameters);
                one->operations->initialize(one, parameters, statistics);
            }
        }
        status = normd_session_publish(session, &change, error);
    }
    *version = session->current->version;
    return status;
}
