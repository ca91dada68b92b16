// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/session/session_state.h"

/* The loss, and its gradient over the output. */
static normd_status run_loss(
    normd_work *work, const normd_array *target, normd_train_result *result, normd_error *error)
{
    const normd_model *model = work->session->model;
    normd_loss_pass loss = {
        .compute = &model->compute,
        .y = work->y.array.data,
        .shape = work->y.array.shape,
        .target = target,
        .gradient = work->y.array.data,
    };
    normd_status status = model->loss->run(&loss, error);
    if (status == NORMD_OK && !model->propagates_nonfinite && !isfinite(loss.loss)) {
        status = normd_error_set(error, NORMD_NOT_FINITE,
            "loss: expected x and target that lead to a finite loss, got %g", loss.loss);
    }
    result->loss = loss.loss;
    result->accuracy = loss.accuracy;
    result->has_accuracy = loss.has_accuracy;
    return status;
}

static normd_status train_step(normd_work *work, const normd_array *x, const normd_array *target,
    normd_train_result *result, normd_error *error)
{
    normd_session *session = work->session;
    normd_status status = normd_work_input(work, x, error);
    if (status == NORMD_OK) {
        status = normd_work_forward(work, error);
    }
    if (status == NORMD_OK) {
        status = run_loss(work, target, result, error);
    }
    if (status == NORMD_OK) {
        status = normd_pass_backward(&work->pass, false, session->gradients, &work->y, error);
    }
    if (status == NORMD_OK) {
        status = normd_session_check_gradients(session, "x", error);
    }
    if (status == NORMD_OK) {
        normd_slab *statistics = work->new_statistics;
        work->new_statistics = NULL;
        status = normd_session_apply(session, statistics, error);
    }
    return status;
}

normd_status normd_session_train(normd_session *session, const normd_array *x,
    const normd_array *target, normd_train_result *result, normd_error *error)
{
    *result = (normd_train_result){.loss = 0.0};
    normd_status status = normd_work_check_loss(session->model, error);
    if (status != NORMD_OK) {
        return status;
    }
    normd_work work;
    status = normd_work_begin(&work, session, NORMD_WORK_TRAIN, &x->shape, true, error);
    if (status == NORMD_OK) {
        status = train_step(&work, x, target, result, error);
    }
    normd_work_end(&work);
    result->steps = session->current->steps;
    result->version = session->current->version;
    return status;
}
