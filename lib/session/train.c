// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "lib/model/penalize.h"
#include "lib/session/session_state.h"

void normd_work_take_result(const normd_loss_pass *pass, normd_train_result *result)
{
    result->loss = pass->loss;
    result->accuracy = pass->accuracy;
    result->has_accuracy = pass->has_accuracy;
    result->metrics = pass->metrics;
    memcpy(result->metric, pass->metric, pass->metrics * sizeof pass->metric[0]);
}

/* The loss with the penalties, and its gradient over the output. */
static normd_status run_loss(normd_work *work, const normd_train_batch *batch,
    normd_train_result *result, normd_error *error)
{
    const normd_model *model = work->session->model;
    normd_loss_pass loss = {
        .compute = &model->compute,
        .y = work->y.array.data,
        .shape = work->y.array.shape,
        .target = batch->target,
        .sample_weight = batch->sample_weight,
        .gradient = work->y.array.data,
    };
    double penalty = 0.0;
    normd_status status = normd_loss_run(model->loss, &loss, error);
    if (status == NORMD_OK) {
        const char *parameters = normd_slab_data(work->session->current->parameters);
        status = normd_model_penalty(model, parameters, &penalty, error);
        loss.loss += penalty;
    }
    if (status == NORMD_OK && !model->propagates_nonfinite && !isfinite(loss.loss)) {
        status = normd_error_set(error, NORMD_NOT_FINITE,
            "loss: expected x and target that lead to a finite loss, got %g", loss.loss);
    }
    if (status == NORMD_OK) {
        normd_work_take_result(&loss, result);
    }
    return status;
}

static normd_status train_step(normd_work *work, const normd_train_batch *batch,
    normd_train_result *result, normd_error *error)
{
    normd_session *session = work->session;
    normd_status status = normd_work_input(work, batch->x, error);
    if (status == NORMD_OK && batch->mask != NULL) {
        status = normd_work_mask(work, batch->mask, error);
    }
    if (status == NORMD_OK) {
        status = normd_work_forward(work, error);
    }
    if (status == NORMD_OK) {
        status = run_loss(work, batch, result, error);
    }
    if (status == NORMD_OK) {
        status = normd_session_take_gradients(session, error);
    }
    if (status == NORMD_OK) {
        char *gradients = normd_slab_data(session->gradients);
        status = normd_pass_backward(&work->pass, false, gradients, &work->y, error);
    }
    if (status == NORMD_OK) {
        status = normd_session_check_gradients(session, "x", error);
    }
    if (status == NORMD_OK) {
        normd_slab *statistics = work->new_statistics;
        work->new_statistics = NULL;
        result->lr = normd_session_next_rate(session);
        result->has_lr = true;
        status = normd_session_apply(session, statistics, &result->loss, false, error);
    }
    return status;
}

/* The first batch, which tells the features. */
static normd_status train_lazy(normd_session *session, const normd_train_batch *batch,
    normd_train_result *result, normd_error *error)
{
    normd_session *made;
    normd_status status = normd_session_materialize(session, &batch->x->shape, true, &made, error);
    if (status == NORMD_OK) {
        status = normd_session_train(made, batch, result, error);
    }
    if (status == NORMD_OK) {
        normd_session_adopt(session, made);
    }
    normd_session_destroy(made);
    return status;
}

normd_status normd_session_train(normd_session *session, const normd_train_batch *batch,
    normd_train_result *result, normd_error *error)
{
    *result = (normd_train_result){.loss = 0.0};
    normd_status status = normd_work_check_loss(session->model, error);
    if (status != NORMD_OK) {
        return status;
    }
    if (normd_model_is_lazy(session->model)) {
        return train_lazy(session, batch, result, error);
    }
    normd_work work;
    status = normd_work_begin(&work, session, NORMD_WORK_TRAIN, &batch->x->shape, true, error);
    if (status == NORMD_OK) {
        status = train_step(&work, batch, result, error);
    }
    normd_work_end(&work);
    result->steps = session->current->steps;
    result->version = session->current->version;
    return status;
}
