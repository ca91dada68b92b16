// SPDX-License-Identifier: Apache-2.0
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
    void *sum = normd_slab_data(session->gradients);
    const void *older = normd_slab_data(session->current->accumulated);
    if (model->compute.dtype == NORMD_F32) {
        float *to = sum;
        const float *from = older;
        for (size_t i = 0; i < model->parameter_bytes / sizeof *to; i++) {
            to[i] = from[i] + to[i];
        }
    } else {
        double *to = sum;
        const double *from = older;
        for (size_t i = 0; i < model->parameter_bytes / sizeof *to; i++) {
            to[i] = from[i] + to[i];
        }
    }
}

/* The session's gradients become the accumulated ones. */
static normd_status accumulate(normd_session *session, normd_error *error)
{
    normd_change change = {
        .accumulated = normd_slab_retain(session->gradients),
        .version = session->current->version + 1,
        .steps = session->current->steps,
    };
    normd_status status = normd_session_publish(session, &change, error);
    if (status == NORMD_OK) {
        normd_slab_release(session->gradients);
        session->gradients = NULL;
        /* The slab of the older sum, where no reader holds it; without one the next call fails. */
        normd_error ignored;
        (void)normd_session_take_gradients(session, &ignored);
    }
    return status;
}

/* The session's gradients, with what was accumulated, become the accumulation or a step. */
static normd_status finish(normd_session *session, bool apply, normd_error *error)
{
    if (session->current->accumulated != NULL) {
        add_accumulated(session);
    }
    normd_status status = normd_session_check_gradients(session, "dy", error);
    if (status == NORMD_OK) {
        status = apply ? normd_session_apply(session, NULL, NULL, true, error)
                       : accumulate(session, error);
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

/* `arena`: where it is not the context's own. */
static normd_status run(normd_session *session, const normd_context *context,
    const normd_buffer *arena, normd_tensor *dy, normd_error *error)
{
    normd_buffer *scratch =
        normd_buffer_take(context->model->compute.buffers, context->plan->scratch_bytes);
    if (scratch == NULL) {
        return normd_error_no_memory(error);
    }
    normd_pass pass = context->pass;
    pass.arena = arena->data;
    pass.scratch = scratch->data;
    normd_status status =
        normd_pass_backward(&pass, true, normd_slab_data(session->gradients), dy, error);
    normd_buffer_release(scratch);
    return status;
}

normd_status normd_context_backward(
    normd_session *session, const normd_context *context, normd_tensor *dy, normd_error *error)
{
    normd_buffer *arena = NULL;
    normd_tensor y = {.buffer = NULL};
    normd_status status = check_limits(session->model, context->plan, error);
    if (status == NORMD_OK) {
        status = take_dy(session, normd_plan_output(context->plan), dy, error);
    }
    if (status == NORMD_OK) {
        status = normd_session_take_gradients(session, error);
    }
    if (status == NORMD_OK && context->arena == NULL) {
        status = normd_context_run(context, &arena, &y, error);
        normd_tensor_release(&y);
    }
    if (status == NORMD_OK) {
        status = run(session, context, arena != NULL ? arena : context->arena, dy, error);
    }
    normd_buffer_release(arena);
    return status;
}

normd_status normd_session_backward(normd_session *session, uint64_t step, bool apply,
    normd_tensor *dy, uint64_t now_milliseconds, normd_tensor *dx, uint64_t *version,
    normd_error *error)
{
    *dx = (normd_tensor){.buffer = NULL};
    normd_context_expire(session, now_milliseconds);
    normd_context *context = normd_context_find(session, step);
    normd_status status = context == NULL || context->used != 0
                              ? normd_context_lost(session, step, error)
                              : normd_context_backward(session, context, dy, error);
    if (status == NORMD_OK) {
        status = finish(session, apply, error);
    }
    if (status == NORMD_OK) {
        *dx = *dy;
        *dy = (normd_tensor){.buffer = NULL};
        normd_context_use(session, context);
    }
    normd_tensor_release(dy);
    *version = session->current->version;
    return status;
}

normd_status normd_session_step(normd_session *session, uint64_t *version, normd_error *error)
{
    normd_slab *accumulated = session->current->accumulated;
    normd_status status = normd_session_take_gradients(session, error);
    if (accumulated == NULL) {
        status = normd_error_set(error, NORMD_BAD_ARGUMENT,
            "step: expected gradients accumulated by backward with apply false, got none");
    } else if (status == NORMD_OK) {
        /* A copy: a step adds the penalties to its gradients, and may fail. */
        memcpy(normd_slab_data(session->gradients), normd_slab_data(accumulated),
            session->model->parameter_bytes);
        status = normd_session_apply(session, NULL, NULL, true, error);
    }
    *version = session->current->version;
    return status;
}
