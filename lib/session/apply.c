// SPDX-License-Identifier: Apache-2.0
#include "lib/session/session_state.h"

normd_status normd_session_check_gradients(
    normd_session *session, const char *what, normd_error *error)
{
    const normd_model *model = session->model;
    size_t values = model->parameter_bytes / normd_dtype_size(model->compute.dtype);
    if (model->propagates_nonfinite ||
        normd_compute_all_finite(&model->compute, session->gradients, values)) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_NOT_FINITE,
        "%s: expected one that leads to finite gradients, got NaN or infinity in them", what);
}

normd_status normd_session_apply(
    normd_session *session, normd_slab *new_statistics, normd_error *error)
{
    const normd_snapshot *base = session->current;
    normd_change change = {
        .parameters = normd_slab_take(session->parameter_shelf),
        .statistics = new_statistics,
        .slots = normd_slab_take(session->slot_shelf),
        .version = base->version + 1,
        .steps = base->steps + 1,
    };
    normd_status status = NORMD_OK;
    if (change.parameters == NULL || change.slots == NULL) {
        status = normd_error_no_memory(error);
    } else {
        normd_model_update update = {
            .model = session->model,
            .step = change.steps,
            .parameters = normd_slab_data(base->parameters),
            .gradients = session->gradients,
            .slots = normd_slab_data(base->slots),
            .new_parameters = normd_slab_data(change.parameters),
            .new_slots = normd_slab_data(change.slots),
        };
        if (!normd_pass_update(&update)) {
            status = normd_error_set(error, NORMD_NOT_FINITE,
                "optimizer: expected a step to finite parameters, got NaN or infinity in them");
        }
    }
    if (status != NORMD_OK) {
        normd_slab_release(change.parameters);
        normd_slab_release(change.statistics);
        normd_slab_release(change.slots);
        return status;
    }
    return normd_session_publish(session, &change, error);
}
