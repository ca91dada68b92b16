// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "lib/session/session_state.h"

/* Turns dy into a tensor of the session's type that backward may write over. */
static normd_status take_dy(
    normd_session *session, const normd_shape *expected, normd_tensor *dy, normd_error *error)
{
    char text[NORMD_SHAPE_TEXT_BYTES];
    char got[NORMD_SHAPE_TEXT_BYTES];
    if (!normd_shape_equal(expected, &dy->array.shape)) {
        return normd_error_set(error, NORMD_BAD_SHAPE, "dy: expected %s, got %s",
            normd_shape_format(expected, text, sizeof text),
            normd_shape_format(&dy->array.shape, got, sizeof got));
    }
    if (normd_work_usable(session->model, &dy->array)) {
        return NORMD_OK;
    }
    normd_buffer *converted = NULL;
    normd_status status = normd_work_convert(session->model, "dy", &dy->array, &converted, error);
    if (status == NORMD_OK) {
        normd_buffer_release(dy->buffer);
        dy->buffer = converted;
        dy->array.dtype = session->model->compute.dtype;
        dy->array.data = converted->data;
    }
    return status;
}

/* gradients += accumulated. In the order of the steps: the older sum is the first summand. */
static void add_accumulated(normd_session *session)
{
    const normd_model *model = session->model;
    if (model->compute.dtype == NORMD_F32) {
        float *to = (float *)(void *)session->gradients;
        const float *from = (const float *)(const void *)session->accumulated;
        for (size_t i = 0; i < model->parameter_bytes / sizeof *to; i++) {
            to[i] = from[i] + to[i];
        }
    } else {
        double *to = (double *)(void *)session->gradients;
        const double *from = (const double *)(const void *)session->accumulated;
        for (size_t i = 0; i < model->parameter_bytes / sizeof *to; i++) {
            to[i] = from[i] + to[i];
        }
    }
}

static void swap_accumulated(normd_session *session)
{
    char *gradients = session->gradients;
    session->gradients = session->accumulated;
    session->accumulated = gradients;
}

/* The session's gradients, with what was accumulated, become the accumulation or a step. */
static normd_status finish(normd_session *session, bool apply, normd_error *error)
{
    if (!apply && session->accumulated == NULL) {
        session->accumulated = normd_session_allocate_gradients(session);
        if (session->accumulated == NULL) {
            return normd_error_no_memory(error);
        }
    }
    if (session->has_accumulated) {
        add_accumulated(session);
    }
    normd_status status = normd_session_check_gradients(session, "dy", error);
    if (status != NORMD_OK) {
        return status;
    }
    if (apply) {
        status = normd_session_apply(session, NULL, NULL, error);
    } else {
        normd_change change = {
            .version = session->current->version + 1,
            .steps = session->current->steps,
        };
        status = normd_session_publish(session, &change, error);
    }
    if (status == NORMD_OK && !apply) {
        swap_accumulated(session);
    }
    if (status == NORMD_OK) {
        session->has_accumulated = !apply;
    }
    return status;
}

/* TOO_LARGE when dx, or what leads to it, is over a limit. */
static normd_status check_limits(
    const normd_model *model, const normd_plan *plan, normd_error *error)
{
    normd_status status = normd_limit_check(model->limits.answer_bytes,
        normd_model_array_bytes(model, &plan->x_shape), "step: expected one of a batch whose dx is",
        "; send fewer rows", error);
    if (status == NORMD_OK) {
        status = normd_limit_check(model->limits.work_bytes,
            normd_bytes_add(plan->scratch_bytes, plan->gradient_bytes),
            "step: expected one of a batch whose gradients take", "; send fewer rows", error);
    }
    return status;
}

static normd_status backward_through(normd_session *session, normd_context *context,
    normd_tensor *dy, bool apply, normd_error *error)
{
    normd_status status = check_limits(session->model, context->plan, error);
    if (status == NORMD_OK) {
        status = take_dy(session, normd_plan_output(context->plan), dy, error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    normd_buffer *scratch =
        normd_buffer_take(session->model->compute.buffers, context->plan->scratch_bytes);
    if (scratch == NULL) {
        return normd_error_no_memory(error);
    }
    normd_pass pass = context->pass;
    pass.scratch = scratch->data;
    status = normd_pass_backward(&pass, true, session->gradients, dy, error);
    normd_buffer_release(scratch);
    return status == NORMD_OK ? finish(session, apply, error) : status;
}

normd_status normd_session_backward(normd_session *session, uint64_t step, bool apply,
    normd_tensor *dy, uint64_t now_milliseconds, normd_tensor *dx, uint64_t *version,
    normd_error *error)
{
    *dx = (normd_tensor){.buffer = NULL};
    normd_context_expire(session, now_milliseconds);
    normd_context *context = normd_context_find(session, step);
    normd_status status = NORMD_OK;
    if (context == NULL) {
        status = normd_error_set(error, NORMD_CONTEXT_LOST,
            "step: expected a forward step that is still kept (the last was %llu), got %llu",
            (unsigned long long)session->last_step, (unsigned long long)step);
    } else {
        status = backward_through(session, context, dy, apply, error);
    }
    if (status == NORMD_OK) {
        *dx = *dy;
        *dy = (normd_tensor){.buffer = NULL};
        normd_context_remove(session, context);
        normd_context_drop(session, context);
    }
    normd_tensor_release(dy);
    *version = session->current->version;
    return status;
}

normd_status normd_session_step(normd_session *session, uint64_t *version, normd_error *error)
{
    normd_status status = NORMD_OK;
    if (!session->has_accumulated) {
        status = normd_error_set(error, NORMD_BAD_ARGUMENT,
            "step: expected gradients accumulated by backward with apply false, got none");
    } else {
        /* A copy: a step adds the penalties to its gradients, and may fail. */
        memcpy(session->gradients, session->accumulated, session->model->parameter_bytes);
        status = normd_session_apply(session, NULL, NULL, error);
        session->has_accumulated = status != NORMD_OK;
    }
    *version = session->current->version;
    return status;
}
