// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "lib/session/image_state.h"

/* What the forward pass writes and nobody wants. */
typedef struct aside {
    normd_buffer *scratch;
    normd_buffer *derived;
    normd_buffer *statistics; /* NULL: the step did not update them */
} aside;

static void aside_release(aside *memory)
{
    normd_buffer_release(memory->scratch);
    normd_buffer_release(memory->derived);
    normd_buffer_release(memory->statistics);
}

static bool aside_take(const normd_context *context, aside *memory)
{
    const normd_model *model = context->model;
    normd_buffer_cache *buffers = model->compute.buffers;
    *memory = (aside){
        .scratch = normd_buffer_take(buffers, context->plan->scratch_bytes),
        .derived = normd_buffer_take(buffers, model->derived_bytes),
        .statistics =
            context->update_stats ? normd_buffer_take(buffers, model->statistic_bytes) : NULL,
    };
    return memory->scratch != NULL && memory->derived != NULL &&
           (memory->statistics != NULL || !context->update_stats);
}

/* The pass as the forward ran it: also with statistics to update, so that it takes the same ways.
 */
static normd_status run(const normd_context *context, const aside *memory,
    const normd_buffer *arena, const normd_tensor *y, normd_error *error)
{
    const normd_model *model = context->model;
    normd_pass pass = context->pass;
    pass.statistics = normd_slab_data(context->statistics);
    pass.derived = memory->derived->data;
    pass.arena = arena->data;
    pass.scratch = memory->scratch->data;
    normd_model_derive(model, pass.parameters, pass.statistics, memory->derived->data);
    if (memory->statistics != NULL) {
        memcpy(memory->statistics->data, pass.statistics, model->statistic_bytes);
        pass.new_statistics = memory->statistics->data;
    }
    return normd_pass_forward(&pass, y->array.data, error);
}

normd_status normd_context_run(
    const normd_context *context, normd_buffer **arena, normd_tensor *y, normd_error *error)
{
    const normd_compute *compute = &context->model->compute;
    aside memory;
    *y = (normd_tensor){.buffer = NULL};
    *arena = normd_buffer_take(compute->buffers, context->plan->arena_bytes);
    normd_status status =
        aside_take(context, &memory) && *arena != NULL ? NORMD_OK : normd_error_no_memory(error);
    if (status == NORMD_OK) {
        status = normd_tensor_take(
            compute->buffers, compute->dtype, normd_plan_output(context->plan), y, error);
    }
    if (status == NORMD_OK) {
        status = run(context, &memory, *arena, y, error);
    }
    aside_release(&memory);
    if (status != NORMD_OK) {
        normd_tensor_release(y);
        normd_buffer_release(*arena);
        *arena = NULL;
    }
    return status;
}

normd_status normd_session_forward_again(
    normd_session *session, uint64_t step, normd_tensor *y, normd_error *error)
{
    normd_buffer *arena = NULL;
    *y = (normd_tensor){.buffer = NULL};
    const normd_context *context = normd_context_find(session, step);
    if (context == NULL || !context->repeatable) {
        return normd_context_lost(session, step, error);
    }
    normd_status status = normd_context_run(context, &arena, y, error);
    normd_buffer_release(arena);
    return status;
}

normd_status normd_session_backward_again(
    normd_session *session, uint64_t step, normd_tensor *dy, normd_tensor *dx, normd_error *error)
{
    *dx = (normd_tensor){.buffer = NULL};
    const normd_context *context = normd_context_find(session, step);
    normd_status status = context == NULL || context->used == 0
                              ? normd_context_lost(session, step, error)
                              : normd_context_backward(session, context, dy, error);
    if (status == NORMD_OK) {
        *dx = *dy;
        *dy = (normd_tensor){.buffer = NULL};
    }
    normd_tensor_release(dy);
    return status;
}
