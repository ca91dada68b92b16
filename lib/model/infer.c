// SPDX-License-Identifier: Apache-2.0
#include "lib/model/pass.h"

/* What travels from layer to layer. */
typedef struct flowing {
    const void *data;
    normd_buffer *buffer; /* NULL: the data is someone else's and only read */
    normd_shape shape;
} flowing;

/* Room for what the layer keeps and for its scratch; NULL when it needs none. */
static normd_status take_work(
    const normd_model *model, const normd_layer_need *need, normd_buffer **work, normd_error *error)
{
    *work = NULL;
    if (need->kept + need->scratch == 0) {
        return NORMD_OK;
    }
    *work = normd_buffer_take(model->compute.buffers, need->kept + need->scratch);
    return *work != NULL ? NORMD_OK : normd_error_no_memory(error);
}

static normd_status infer_layer(const normd_inference *inference, size_t index, flowing *flow,
    const normd_shape *y_shape, normd_error *error)
{
    const normd_model *model = inference->model;
    const normd_layer *layer = model->layer[index];
    bool over = layer->operations->in_place && flow->buffer != NULL;
    normd_tensor y = {.buffer = NULL};
    if (!over) {
        normd_status status =
            normd_tensor_take(model->compute.buffers, model->compute.dtype, y_shape, &y, error);
        if (status != NORMD_OK) {
            return status;
        }
    }
    normd_layer_need need;
    normd_layer_infer_need(layer, &flow->shape, &need);
    normd_buffer *work;
    normd_status status = take_work(model, &need, &work, error);
    if (status != NORMD_OK) {
        normd_tensor_release(&y);
        return status;
    }
    /* The buffer that x lies in is ours, so writing over it is no breach of const. */
    void *over_x = over ? (char *)flow->buffer->data +
                              ((const char *)flow->data - (const char *)flow->buffer->data)
                        : NULL;
    normd_layer_pass one = {
        .compute = &model->compute,
        .layer = layer,
        .input_name = index == 0 ? "x" : "a layer's input",
        .shape = flow->shape,
        .y_shape = *y_shape,
        .parameters = inference->parameters,
        .statistics = inference->statistics,
        .derived = inference->derived + layer->derived_offset,
        .mask = inference->mask,
        .mask_shape = &inference->mask_shape,
        .positions = inference->positions,
        .x = flow->data,
        .y = over ? over_x : y.array.data,
        .kept = work == NULL ? NULL : work->data,
        .scratch = work == NULL ? NULL : (char *)work->data + need.kept,
    };
    if (inference->observer != NULL) {
        status = inference->observer->see(inference->observer->context, index, &one, error);
    }
    if (status == NORMD_OK) {
        status = layer->operations->infer(&one, error);
    }
    normd_buffer_release(work);
    if (!over) {
        normd_buffer_release(flow->buffer);
        flow->buffer = y.buffer;
    }
    flow->data = one.y;
    flow->shape = *y_shape;
    return status;
}

normd_status normd_pass_infer(const normd_inference *inference, normd_tensor *y, normd_error *error)
{
    const normd_model *model = inference->model;
    flowing flow = {
        .data = inference->x,
        .buffer = inference->x_buffer,
        .shape = inference->shape,
    };
    *y = (normd_tensor){.buffer = NULL};
    normd_status status = NORMD_OK;
    for (size_t i = 0; i < model->layers && status == NORMD_OK; i++) {
        normd_shape shape;
        status = normd_model_layer_shape(model, i, &inference->shape, &flow.shape, &shape, error);
        if (status == NORMD_OK) {
            status = infer_layer(inference, i, &flow, &shape, error);
        }
    }
    if (status != NORMD_OK) {
        normd_buffer_release(flow.buffer);
        return status;
    }
    char *base = flow.buffer->data;
    y->buffer = flow.buffer;
    y->array = (normd_array){
        .dtype = model->compute.dtype,
        .shape = flow.shape,
        .data = base + ((const char *)flow.data - base),
    };
    return NORMD_OK;
}
