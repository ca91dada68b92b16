// SPDX-License-Identifier: Apache-2.0
#include "lib/session/session_state.h"

/* The input of an inference over the tensor, whose buffer it takes when it succeeds. */
static normd_status take_x(
    const normd_snapshot *snapshot, normd_tensor *x, normd_inference *inference, normd_error *error)
{
    inference->x = x->array.data;
    inference->shape = x->array.shape;
    if (normd_work_usable(snapshot->model, &x->array)) {
        inference->x_buffer = x->buffer;
        x->buffer = NULL;
        return NORMD_OK;
    }
    normd_status status =
        normd_work_convert(snapshot->model, "x", &x->array, &inference->x_buffer, error);
    if (status == NORMD_OK) {
        inference->x = inference->x_buffer->data;
    }
    return status;
}

normd_status normd_snapshot_infer(
    normd_snapshot *snapshot, normd_tensor *x, normd_tensor *y, normd_error *error)
{
    normd_model *model = snapshot->model;
    *y = (normd_tensor){.buffer = NULL};
    normd_shape shape;
    size_t bytes;
    normd_status status = normd_model_output_shape(model, &x->array.shape, &shape, &bytes, error);
    if (status == NORMD_OK) {
        status = normd_model_check_answer(model, &shape, error);
    }
    if (status == NORMD_OK) {
        status = normd_model_check_work(model, bytes, error);
    }
    if (status == NORMD_OK && normd_array_elements(&x->array) == 0) {
        status = normd_tensor_take(model->compute.buffers, model->compute.dtype, &shape, y, error);
    } else if (status == NORMD_OK) {
        normd_inference inference = {
            .model = model,
            .parameters = normd_slab_data(snapshot->parameters),
            .statistics = normd_slab_data(snapshot->statistics),
            .derived = snapshot->derived,
        };
        status = take_x(snapshot, x, &inference, error);
        if (status == NORMD_OK) {
            status = normd_pass_infer(&inference, y, error);
        }
    }
    normd_tensor_release(x);
    return status;
}

size_t normd_session_output_bytes(normd_session *session, const normd_shape *x)
{
    normd_model *model = normd_session_model(session);
    normd_shape y;
    size_t work;
    normd_error error;
    normd_status status = NORMD_OK;
    if (normd_model_is_lazy(model)) {
        normd_model *known;
        status = normd_session_known_model(session->engine, model, x, &known, &error);
        if (status == NORMD_OK) {
            normd_model_release(model);
            model = known;
        }
    }
    if (status == NORMD_OK) {
        status = normd_model_output_shape(model, x, &y, &work, &error);
    }
    if (status == NORMD_OK) {
        status = normd_model_check_answer(model, &y, &error);
    }
    size_t bytes = status == NORMD_OK ? normd_model_array_bytes(model, &y) : 0;
    normd_model_release(model);
    return bytes;
}

size_t normd_session_state_bytes(normd_session *session)
{
    normd_model *model = normd_session_model(session);
    size_t bytes = model->parameter_bytes + model->slot_bytes + model->statistic_bytes;
    normd_model_release(model);
    return bytes;
}
