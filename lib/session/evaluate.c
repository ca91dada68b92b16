// SPDX-License-Identifier: Apache-2.0
#include "lib/model/penalize.h"
#include "lib/session/session_state.h"

/* It reads x where it lies, or a converted copy. */
normd_status normd_snapshot_observe(const normd_snapshot *snapshot, const normd_array *x,
    const normd_array *mask, const normd_observer *observer, normd_tensor *y, normd_error *error)
{
    const normd_model *model = snapshot->model;
    normd_inference inference = {
        .model = snapshot->model,
        .parameters = normd_slab_data(snapshot->parameters),
        .statistics = normd_slab_data(snapshot->statistics),
        .derived = snapshot->derived,
        .shape = x->shape,
        .x = x->data,
        .observer = observer,
    };
    normd_shape shape;
    size_t bytes;
    normd_status status = normd_model_output_shape(model, &x->shape, &shape, &bytes, error);
    if (status == NORMD_OK) {
        bytes = normd_bytes_add(bytes, normd_loss_bytes(model->loss, &model->compute, &shape));
        status = normd_model_check_work(model, bytes, error);
    }
    if (status == NORMD_OK && normd_array_elements(x) == 0) {
        char text[NORMD_SHAPE_TEXT_BYTES];
        status = normd_error_set(error, NORMD_BAD_SHAPE, "x: expected a batch with values, got %s",
            normd_shape_format(&x->shape, text, sizeof text));
    }
    if (status == NORMD_OK && mask != NULL) {
        status = normd_work_check_mask(model, mask, &inference.positions, error);
        inference.mask = mask->data;
        inference.mask_shape = mask->shape;
    }
    if (status == NORMD_OK && !normd_work_usable(model, x)) {
        status = normd_work_convert(model, "x", x, &inference.x_buffer, error);
        inference.x = status == NORMD_OK ? inference.x_buffer->data : NULL;
    }
    return status == NORMD_OK ? normd_pass_infer(&inference, y, error) : status;
}

normd_status normd_snapshot_evaluate(normd_snapshot *snapshot, const normd_train_batch *batch,
    normd_train_result *result, normd_error *error)
{
    const normd_model *model = snapshot->model;
    *result = (normd_train_result){.steps = snapshot->steps, .version = snapshot->version};
    normd_status status = normd_work_check_loss(model, error);
    normd_tensor y = {.buffer = NULL};
    if (status == NORMD_OK) {
        status = normd_snapshot_observe(snapshot, batch->x, batch->mask, NULL, &y, error);
    }
    if (status == NORMD_OK) {
        normd_loss_pass loss = {
            .compute = &model->compute,
            .y = y.array.data,
            .shape = y.array.shape,
            .target = batch->target,
            .sample_weight = batch->sample_weight,
        };
        double penalty = 0.0;
        status = normd_loss_run(model->loss, &loss, error);
        if (status == NORMD_OK) {
            const char *parameters = normd_slab_data(snapshot->parameters);
            status = normd_model_penalty(model, parameters, &penalty, error);
        }
        if (status == NORMD_OK) {
            loss.loss += penalty;
            normd_work_take_result(&loss, result);
        }
    }
    normd_tensor_release(&y);
    return status;
}
