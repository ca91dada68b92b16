// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "lib/session/image_state.h"

static bool is_listed(const normd_session *session, const normd_context *context)
{
    return context->repeatable && context->model == session->model;
}

static normd_kept_step step_of(const normd_context *context)
{
    const normd_model *model = context->model;
    return (normd_kept_step){
        .step = context->step,
        .used = context->used != 0,
        .update_stats = context->update_stats,
        .x = {.dtype = model->compute.dtype,
            .shape = context->plan->x_shape,
            .data = context->x->data},
        .mask = {.dtype = NORMD_BOOL,
            .shape = context->pass.mask_shape,
            .data = context->mask != NULL ? context->mask->data : NULL},
        .parameters = {normd_slab_data(context->parameters), model->parameter_bytes},
        .statistics = {normd_slab_data(context->statistics), model->statistic_bytes},
    };
}

normd_status normd_session_kept_steps(
    normd_session *session, normd_kept_steps *steps, normd_error *error)
{
    *steps = (normd_kept_steps){.count = 0};
    size_t count = 0;
    for (const normd_context *at = session->oldest; at != NULL; at = at->next) {
        count += is_listed(session, at);
    }
    if (count == 0) {
        return NORMD_OK;
    }
    normd_context **held = calloc(count, sizeof(normd_context *));
    steps->step = calloc(count, sizeof *steps->step);
    if (held == NULL || steps->step == NULL) {
        free(held);
        free(steps->step);
        steps->step = NULL;
        return normd_error_no_memory(error);
    }
    for (normd_context *at = session->oldest; at != NULL; at = at->next) {
        if (is_listed(session, at)) {
            atomic_fetch_add_explicit(&at->references, 1, memory_order_relaxed);
            held[steps->count] = at;
            steps->step[steps->count++] = step_of(at);
        }
    }
    steps->held = (void *)held;
    return NORMD_OK;
}

void normd_kept_steps_release(normd_kept_steps *steps)
{
    normd_context **held = (normd_context **)steps->held;
    for (size_t i = 0; i < steps->count; i++) {
        normd_context_release(held[i]);
    }
    free((void *)held);
    free(steps->step);
    *steps = (normd_kept_steps){.count = 0};
}

/* ---- Making them again ---- */

static normd_status check(
    const normd_session *session, const normd_kept_step *step, normd_error *error)
{
    const normd_model *model = session->model;
    uint64_t newest = session->newest != NULL ? session->newest->step : 0;
    normd_status status = normd_model_check_known(model, error);
    if (status == NORMD_OK && step->step <= newest) {
        status = normd_error_set(error, NORMD_BAD_ARGUMENT,
            "step: expected one after %llu, which is kept, got %llu", (unsigned long long)newest,
            (unsigned long long)step->step);
    }
    if (status == NORMD_OK && step->x.dtype != model->compute.dtype) {
        status = normd_error_set(error, NORMD_BAD_ARGUMENT, "x: expected %s, got %s",
            normd_dtype_title(model->compute.dtype), normd_dtype_title(step->x.dtype));
    }
    if (status == NORMD_OK && step->parameters.size != model->parameter_bytes) {
        status =
            normd_error_set(error, NORMD_BAD_ARGUMENT, "parameters: expected %zu bytes, got %zu",
                model->parameter_bytes, step->parameters.size);
    }
    if (status == NORMD_OK && step->statistics.size != model->statistic_bytes) {
        status =
            normd_error_set(error, NORMD_BAD_ARGUMENT, "statistics: expected %zu bytes, got %zu",
                model->statistic_bytes, step->statistics.size);
    }
    return status;
}

/* `before`: the slab that the bytes were copied into by the call before, or NULL. What the session
   has now is shared, too, as when the step was made. */
static normd_slab *shared(normd_slab *before, normd_slab *current, normd_slab_shelf *shelf,
    const normd_image_bytes *bytes)
{
    if (before != NULL) {
        return normd_slab_retain(before);
    }
    if (bytes->size == 0 || memcmp(normd_slab_data(current), bytes->data, bytes->size) == 0) {
        return normd_slab_retain(current);
    }
    normd_slab *slab = normd_slab_take(shelf);
    if (slab != NULL) {
        memcpy(normd_slab_data(slab), bytes->data, bytes->size);
    }
    return slab;
}

static void take_slabs(
    const normd_session *session, const normd_kept_step *step, normd_context *context)
{
    const normd_context *last = session->newest;
    bool again = last != NULL && last->step == session->again_step;
    bool parameters = again && step->parameters.data == session->again_parameters;
    bool statistics = again && step->statistics.data == session->again_statistics;
    context->parameters = shared(parameters ? last->parameters : NULL, session->current->parameters,
        session->parameter_shelf, &step->parameters);
    context->statistics = shared(statistics ? last->statistics : NULL, session->current->statistics,
        session->statistic_shelf, &step->statistics);
}

static normd_buffer *copied(normd_buffer_cache *buffers, const normd_array *array)
{
    size_t bytes = normd_array_bytes(array);
    normd_buffer *buffer = normd_buffer_take(buffers, bytes);
    if (buffer != NULL && bytes > 0) {
        memcpy(buffer->data, array->data, bytes);
    }
    return buffer;
}

/* All that the context owns but its plan, and the pass over it. */
static normd_status fill(const normd_session *session, const normd_kept_step *step,
    normd_context *context, normd_error *error)
{
    normd_model *model = session->model;
    bool masked = step->mask.data != NULL;
    size_t positions = 0;
    normd_status status =
        masked ? normd_work_check_mask(model, &step->mask, &positions, error) : NORMD_OK;
    if (status != NORMD_OK) {
        return status;
    }
    take_slabs(session, step, context);
    context->x = copied(model->compute.buffers, &step->x);
    context->mask = masked ? copied(model->compute.buffers, &step->mask) : NULL;
    if (context->parameters == NULL || context->statistics == NULL || context->x == NULL ||
        (masked && context->mask == NULL)) {
        return normd_error_no_memory(error);
    }
    context->model = normd_model_retain(model);
    context->pass = (normd_pass){
        .model = model,
        .plan = context->plan,
        .parameters = normd_slab_data(context->parameters),
        .x = context->x->data,
        .positions = positions,
    };
    if (masked) {
        context->pass.mask = context->mask->data;
        context->pass.mask_shape = step->mask.shape;
    }
    return NORMD_OK;
}

normd_status normd_session_keep_again(normd_session *session, const normd_kept_step *step,
    uint64_t now_milliseconds, normd_error *error)
{
    normd_status status = check(session, step, error);
    normd_context *context = status == NORMD_OK ? normd_context_take(session) : NULL;
    if (status == NORMD_OK && context == NULL) {
        status = normd_error_no_memory(error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    status = normd_session_plan(session, &step->x.shape, &context->plan, error);
    if (status == NORMD_OK) {
        status = fill(session, step, context, error);
    }
    if (status != NORMD_OK) {
        normd_context_drop(session, context);
        return status;
    }
    context->step = step->step;
    context->born = now_milliseconds;
    context->repeatable = true;
    context->update_stats = step->update_stats;
    context->used = step->used ? ++session->uses : 0;
    session->again_step = step->step;
    session->again_parameters = step->parameters.data;
    session->again_statistics = step->statistics.data;
    normd_session_number_steps_from(session, step->step);
    normd_context_keep(session, context);
    return NORMD_OK;
}
