// SPDX-License-Identifier: Apache-2.0
#include "lib/model/pass.h"

/* Where the gradient of a layer's input goes: over that of its output, or into new memory. */
static normd_status make_dx(const normd_layer *layer, const normd_compute *compute,
    const normd_shape *shape, const normd_tensor *dy, normd_tensor *dx, normd_error *error)
{
    if (layer->operations->in_place) {
        *dx = *dy;
        dx->array.shape = *shape;
        return NORMD_OK;
    }
    return normd_tensor_take(compute->buffers, compute->dtype, shape, dx, error);
}

static normd_status layer_backward(const normd_pass *pass, size_t index, bool want_dx,
    char *gradients, normd_tensor *gradient, normd_error *error)
{
    const normd_model *model = pass->model;
    const normd_layer *layer = model->layer[index];
    const normd_plan_step *step = &pass->plan->step[index];
    const normd_plan_step *before = index > 0 ? &pass->plan->step[index - 1] : NULL;
    const normd_shape *shape = before != NULL ? &before->y_shape : &pass->plan->x_shape;
    bool outside = step->y_offset == (size_t)NORMD_PLAN_OUTSIDE;
    normd_tensor dx = {.buffer = NULL};
    if (want_dx) {
        normd_status status = make_dx(layer, &model->compute, shape, gradient, &dx, error);
        if (status != NORMD_OK) {
            return status;
        }
    }
    normd_layer_pass one = {
        .compute = &model->compute,
        .layer = layer,
        .shape = *shape,
        .y_shape = step->y_shape,
        .parameters = pass->parameters,
        .mask = pass->mask,
        .mask_shape = &pass->mask_shape,
        .positions = pass->positions,
        .x = before != NULL ? pass->arena + before->y_offset : pass->x,
        .y = outside ? NULL : pass->arena + step->y_offset,
        .kept = pass->arena + step->kept_offset,
        .scratch = pass->scratch,
        .dy = gradient->array.data,
        .dx = dx.array.data,
        .gradients = gradients,
    };
    layer->operations->backward(&one);
    if (want_dx && dx.buffer != gradient->buffer) {
        normd_tensor_release(gradient);
    }
    if (want_dx) {
        *gradient = dx;
    }
    return NORMD_OK;
}

normd_status normd_pass_backward(const normd_pass *pass, bool want_dx, char *gradients,
    normd_tensor *gradient, normd_error *error)
{
    /* Layers before the first with something to learn have no use for a gradient of their own. */
    size_t last = want_dx ? 0 : pass->model->first_trained;
    for (size_t i = pass->model->layers; i-- > last;) {
        bool need_dx = i > last || want_dx;
        normd_status status = layer_backward(pass, i, need_dx, gradients, gradient, error);
        if (status != NORMD_OK) {
            return status;
        }
    }
    return NORMD_OK;
}
