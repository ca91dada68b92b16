// SPDX-License-Identifier: Apache-2.0
#include "lib/session/image_state.h"

/* A session of the image's own model, to be adopted. What the living one has reserved is enough for
   it, or is made so. */
static normd_status make_shell(
    normd_session *session, const normd_image *image, normd_session **shell, normd_error *error)
{
    normd_model *model = normd_model_retain(image->snapshot->model);
    size_t needs = model->session_bytes;
    size_t more = needs > session->reserved ? needs - session->reserved : 0;
    if (session->totals != NULL && !normd_budget_take(&session->totals->sessions, more)) {
        normd_model_release(model);
        return normd_error_set(error, NORMD_BUSY,
            "session: expected room to go back to the state before, got none for %zu bytes more",
            more);
    }
    normd_status status = normd_session_open(session->engine, model, false, shell, error);
    if (status != NORMD_OK && session->totals != NULL) {
        normd_budget_give(&session->totals->sessions, more);
    }
    return status;
}

static normd_status change_model(
    normd_session *session, const normd_image *image, normd_error *error)
{
    normd_session *shell = NULL;
    normd_status status = make_shell(session, image, &shell, error);
    if (status != NORMD_OK) {
        return status;
    }
    shell->current = normd_snapshot_retain(image->snapshot);
    normd_session_adopt(session, shell);
    if (session->totals != NULL) {
        size_t before = shell->reserved;
        session->reserved = session->model->session_bytes;
        shell->reserved = before > session->reserved ? before - session->reserved : 0;
    }
    normd_session_destroy(shell);
    return NORMD_OK;
}

static void change_snapshot(normd_session *session, const normd_image *image)
{
    normd_snapshot *old = session->current;
    pthread_mutex_lock(&session->lock);
    session->current = normd_snapshot_retain(image->snapshot);
    pthread_mutex_unlock(&session->lock);
    normd_snapshot_release(old);
}

normd_status normd_session_rollback(
    normd_session *session, const normd_image *image, normd_error *error)
{
    if (image->snapshot->model == session->model) {
        change_snapshot(session, image);
    } else {
        normd_status status = change_model(session, image, error);
        if (status != NORMD_OK) {
            return status;
        }
    }
    normd_recalibration_drop(session);
    session->collected = normd_blob_retain(image->recalibration);
    session->digest = image->snapshot->digest;
    session->last_step = image->last_step;
    normd_context_go_back(session, image->last_step, image->uses);
    return NORMD_OK;
}

void normd_session_number_steps_from(normd_session *session, uint64_t last_step)
{
    if (session->last_step < last_step) {
        session->last_step = last_step;
    }
}
