// SPDX-License-Identifier: Apache-2.0

#include "lib/session/session_state.h"

/* Moves x into the work where its values can be used as they lie. */
static normd_status take_x(normd_work *work, normd_tensor *x, normd_error *error)
{
    normd_status status = normd_work_input(work, &x->array, error);
    if (status == NORMD_OK && work->x == NULL) {
        work->x = x->buffer;
        x->buffer = NULL;
    }
    return status;
}

/* What the work holds becomes a context; the output becomes the caller's. */
static void keep(normd_work *work, normd_context *context, const normd_forward_options *options)
{
    normd_session *session = work->session;
    session->last_step = options->number != 0 ? options->number : session->last_step + 1;
    context->step = session->last_step;
    context->born = options->now_milliseconds;
    context->repeatable = options->repeatable;
    context->update_stats = options->update_stats;
    context->plan = work->plan;
    context->x = work->x;
    context->arena = work->arena;
    context->mask = work->mask;
    context->model = normd_model_retain(session->model);
    context->pass = work->pass;
    context->pass.statistics = NULL;
    context->pass.derived = NULL;
    context->pass.new_statistics = NULL;
    context->pass.scratch = NULL;
    work->plan = NULL;
    work->x = NULL;
    work->arena = NULL;
    work->mask = NULL;
    normd_context_keep(session, context);
}

static normd_status forward_step(
    normd_work *work, normd_tensor *x, const normd_forward_options *options, normd_error *error)
{
    normd_session *session = work->session;
    normd_status status = take_x(work, x, error);
    if (status == NORMD_OK && options->mask != NULL) {
        status = normd_work_mask(work, options->mask, error);
    }
    if (status == NORMD_OK) {
        status = normd_work_forward(work, error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    normd_context *context = normd_context_take(session);
    if (context == NULL) {
        return normd_error_no_memory(error);
    }
    context->parameters = normd_slab_retain(session->current->parameters);
    context->statistics =
        options->repeatable ? normd_slab_retain(session->current->statistics) : NULL;
    if (options->update_stats) {
        normd_change change = {
            .statistics = work->new_statistics,
            .version = session->current->version + 1,
            .steps = session->current->steps,
        };
        work->new_statistics = NULL;
        status = normd_session_publish(session, &change, error);
    }
    if (status != NORMD_OK) {
        normd_context_drop(session, context);
        return status;
    }
    keep(work, context, options);
    return NORMD_OK;
}

static normd_status check_number(
    const normd_session *session, const normd_forward_options *options, normd_error *error)
{
    if (options->number == 0 || options->number > session->last_step) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "number: expected more than the last step's, %llu, got %llu",
        (unsigned long long)session->last_step, (unsigned long long)options->number);
}

/* The first batch, which tells the features. */
static normd_status forward_lazy(normd_session *session, normd_tensor *x,
    const normd_forward_options *options, normd_tensor *y, normd_forward_result *result,
    normd_error *error)
{
    normd_session *made;
    *result = (normd_forward_result){.version = session->current->version};
    normd_status status =
        normd_session_materialize(session, &x->array.shape, options->update_stats, &made, error);
    if (status == NORMD_OK) {
        made->last_step = session->last_step;
        status = normd_session_forward(made, x, options, y, result, error);
    }
    if (status == NORMD_OK) {
        session->last_step = made->last_step;
        normd_session_adopt(session, made);
    }
    normd_session_destroy(made);
    normd_tensor_release(x);
    return status;
}

normd_status normd_session_forward(normd_session *session, normd_tensor *x,
    const normd_forward_options *options, normd_tensor *y, normd_forward_result *result,
    normd_error *error)
{
    *y = (normd_tensor){.buffer = NULL};
    if (normd_model_is_lazy(session->model)) {
        return forward_lazy(session, x, options, y, result, error);
    }
    normd_work work = {.session = session};
    normd_status status = check_number(session, options, error);
    if (status == NORMD_OK) {
        status = normd_work_begin(
            &work, session, NORMD_WORK_FORWARD, &x->array.shape, options->update_stats, error);
    }
    if (status == NORMD_OK) {
        status = forward_step(&work, x, options, error);
    }
    if (status == NORMD_OK) {
        *y = work.y;
        work.y = (normd_tensor){.buffer = NULL};
        normd_context_expire(session, options->now_milliseconds);
    }
    normd_work_end(&work);
    normd_tensor_release(x);
    *result = (normd_forward_result){
        .step = session->last_step,
        .version = session->current->version,
    };
    return status;
}
