// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/model/penalize.h"
#include "lib/session/session_state.h"

normd_status normd_session_check_gradients(
    normd_session *session, const char *what, normd_error *error)
{
    const normd_model *model = session->model;
    size_t values = model->parameter_bytes / normd_dtype_size(model->compute.dtype);
    if (model->propagates_nonfinite ||
        normd_compute_all_finite(&model->compute, normd_slab_data(session->gradients), values)) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_NOT_FINITE,
        "%s: expected one that leads to finite gradients, got NaN or infinity in them", what);
}

/* Fills the slabs of `change`: new slots and, unless it has none, new parameters. */
static normd_status make_change(
    normd_session *session, bool due, const normd_change *change, normd_error *error)
{
    const normd_snapshot *base = session->current;
    normd_model_update update = {
        .model = session->model,
        .step = change->steps,
        .parameters = normd_slab_data(base->parameters),
        .gradients = normd_slab_data(session->gradients),
        .slots = normd_slab_data(base->slots),
        .new_parameters = change->parameters != NULL ? normd_slab_data(change->parameters) : NULL,
        .new_slots = normd_slab_data(change->slots),
    };
    return due ? normd_pass_update(&update, error) : normd_pass_accumulate(&update, error);
}

/* A schedule may look at the loss. */
static void note_loss(
    const normd_session *session, bool due, const normd_change *change, const double *loss)
{
    const normd_model *model = session->model;
    if (loss != NULL && isfinite(*loss) &&
        normd_optimizer_monitors(model->optimizer) == NORMD_MONITOR_LOSS) {
        normd_optimizer_note(model->optimizer, change->steps, due, *loss,
            normd_model_scalars(model, normd_slab_data(change->slots)));
    }
}

normd_status normd_session_apply(normd_session *session, normd_slab *new_statistics,
    const double *loss, bool takes_accumulated, normd_error *error)
{
    const normd_snapshot *base = session->current;
    bool due = normd_model_step_is_due(session->model, normd_slab_data(base->slots));
    bool moves = due || normd_model_constrains(session->model);
    normd_change change = {
        .parameters = moves ? normd_slab_take(session->parameter_shelf) : NULL,
        .statistics = new_statistics,
        .slots = normd_slab_take(session->slot_shelf),
        .drops_accumulated = takes_accumulated,
        .version = base->version + 1,
        .steps = base->steps + due,
    };
    normd_model_add_penalty_gradients(
        session->model, normd_slab_data(base->parameters), normd_slab_data(session->gradients));
    bool room = change.slots != NULL && (change.parameters != NULL || !moves);
    normd_status status =
        room ? make_change(session, due, &change, error) : normd_error_no_memory(error);
    if (status != NORMD_OK) {
        normd_change_release(&change);
        return status;
    }
    note_loss(session, due, &change, loss);
    return normd_session_publish(session, &change, error);
}

double normd_session_next_rate(const normd_session *session)
{
    const normd_snapshot *base = session->current;
    return normd_optimizer_rate(session->model->optimizer, NORMD_ROLE_WEIGHT, base->steps + 1,
        normd_model_scalars(session->model, normd_slab_data(base->slots)));
}
