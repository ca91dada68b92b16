// SPDX-License-Identifier: Apache-2.0
#include "lib/model/penalize.h"

typedef struct penalty_loop {
    const normd_model *model;
    const char *parameters;
    double *penalties; /* of each tile, or NULL */
    char *gradients;   /* or NULL */
} penalty_loop;

static bool is_penalized(const normd_layer_tensor *tensor)
{
    return tensor->trainable && normd_regularizer_is_some(&tensor->regularizer);
}

static bool any_penalized(const normd_model *model)
{
    bool any = false;
    for (size_t i = 0; i < model->layers && !any; i++) {
        for (size_t t = 0; t < model->layer[i]->tensors; t++) {
            any |= is_penalized(&model->layer[i]->tensor[t]);
        }
    }
    return any;
}

static void penalize_tile(void *argument, size_t index)
{
    const penalty_loop *loop = argument;
    const normd_update_tile *tile = &loop->model->update_tile[index];
    const normd_layer_tensor *tensor = tile->tensor;
    const size_t from = tensor->offset + tile->begin * normd_dtype_size(tensor->dtype);
    const bool penalized = is_penalized(tensor);
    if (loop->penalties != NULL) {
        loop->penalties[index] = penalized
                                     ? normd_regularizer_value(&tensor->regularizer, tensor->dtype,
                                           loop->parameters + from, tile->count)
                                     : 0.0;
    }
    if (loop->gradients != NULL && penalized) {
        normd_regularizer_add_gradient(&tensor->regularizer, tensor->dtype, loop->parameters + from,
            loop->gradients + from, tile->count);
    }
}

static void run(penalty_loop *loop)
{
    const normd_model *model = loop->model;
    normd_compute_tiles(
        &model->compute, model->parameter_values, model->update_tiles, penalize_tile, loop);
}

normd_status normd_model_penalty(
    const normd_model *model, const char *parameters, double *penalty, normd_error *error)
{
    *penalty = 0.0;
    if (!any_penalized(model)) {
        return NORMD_OK;
    }
    normd_buffer *sums =
        normd_buffer_take(model->compute.buffers, model->update_tiles * sizeof(double));
    if (sums == NULL) {
        return normd_error_no_memory(error);
    }
    penalty_loop loop = {.model = model, .parameters = parameters, .penalties = sums->data};
    run(&loop);
    for (size_t i = 0; i < model->update_tiles; i++) {
        *penalty += loop.penalties[i];
    }
    normd_buffer_release(sums);
    return NORMD_OK;
}

void normd_model_add_penalty_gradients(
    const normd_model *model, const char *parameters, char *gradients)
{
    if (any_penalized(model)) {
        penalty_loop loop = {.model = model, .parameters = parameters, .gradients = gradients};
        run(&loop);
    }
}

enum { HELD_VALUES = 1 << 14 }; /* of a tile, about */

typedef struct constraint_loop {
    const normd_layer_tensor *tensor;
    void *values;
    size_t groups; /* of a tile */
} constraint_loop;

static void constrain_tile(void *argument, size_t index)
{
    const constraint_loop *loop = argument;
    const normd_constraint *constraint = &loop->tensor->constraint;
    size_t begin = index * loop->groups, left = constraint->groups - begin;
    normd_constraint_apply(constraint, loop->tensor->dtype, loop->values, begin,
        begin + (left < loop->groups ? left : loop->groups));
}

static bool is_constrained(const normd_layer_tensor *tensor)
{
    return tensor->trainable && tensor->constraint.kind != NORMD_CONSTRAINT_NONE;
}

bool normd_model_constrains(const normd_model *model)
{
    bool any = false;
    for (size_t i = 0; i < model->layers && !any; i++) {
        for (size_t t = 0; t < model->layer[i]->tensors; t++) {
            any |= is_constrained(&model->layer[i]->tensor[t]);
        }
    }
    return any;
}

void normd_model_constrain(const normd_model *model, char *parameters)
{
    for (size_t i = 0; i < model->layers; i++) {
        for (size_t t = 0; t < model->layer[i]->tensors; t++) {
            const normd_layer_tensor *tensor = &model->layer[i]->tensor[t];
            const normd_constraint *constraint = &tensor->constraint;
            if (!is_constrained(tensor)) {
                continue;
            }
            constraint_loop loop = {.tensor = tensor, .values = parameters + tensor->offset};
            loop.groups = HELD_VALUES / constraint->values + 1;
            size_t tiles =
                constraint->groups / loop.groups + (constraint->groups % loop.groups != 0);
            normd_compute_tiles(&model->compute, tensor->elements, tiles, constrain_tile, &loop);
        }
    }
}
