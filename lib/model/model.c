// SPDX-License-Identifier: Apache-2.0
#include "lib/model/model.h"

#include <stdlib.h>

#include "lib/layers/relu.h"
#include "lib/model/configuration.h"
#include "lib/model/layout.h"

static normd_status prepare_layers(const normd_model *model, normd_error *error)
{
    for (size_t i = 0; i < model->layers; i++) {
        normd_layer *layer = model->layer[i];
        if (layer->operations->prepare != NULL && !layer->operations->prepare(layer)) {
            return normd_error_no_memory(error);
        }
    }
    return NORMD_OK;
}

/* Lets layers that can compute the ReLU after them do so. */
static void absorb_relus(const normd_model *model)
{
    for (size_t i = 0; i + 1 < model->layers; i++) {
        normd_layer *layer = model->layer[i], *next = model->layer[i + 1];
        if (layer->operations->takes_relu && next->operations == &normd_relu_operations) {
            layer->relu_follows = true;
            next->absorbed = true;
        }
    }
}

normd_status normd_model_create(const normd_compute *compute, const normd_kernels *kernels,
    const normd_memory_limits *limits, const json_t *configuration,
    const normd_attachments *attachments, normd_model **model, normd_error *error)
{
    *model = NULL;
    normd_model *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return normd_error_no_memory(error);
    }
    atomic_init(&made->references, 1);
    made->compute = *compute;
    made->limits = *limits;
    normd_status status = normd_model_read_configuration(made, configuration, attachments, error);
    if (status == NORMD_OK) {
        bool f32 = made->compute.dtype == NORMD_F32;
        made->compute.kernels = f32 ? &kernels->f32 : &kernels->f64;
        absorb_relus(made);
        status = normd_model_lay_out(made, error);
    }
    if (status == NORMD_OK) {
        status = prepare_layers(made, error);
    }
    if (status != NORMD_OK) {
        normd_model_release(made);
        return status;
    }
    *model = made;
    return NORMD_OK;
}

normd_model *normd_model_retain(normd_model *model)
{
    atomic_fetch_add_explicit(&model->references, 1, memory_order_relaxed);
    return model;
}

void normd_model_release(normd_model *model)
{
    if (model == NULL ||
        atomic_fetch_sub_explicit(&model->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < model->layers; i++) {
        normd_layer_destroy(model->layer[i]);
    }
    free(model->layer);
    free(model->update_tile);
    free(model->created);
    free(model->scalar);
    normd_loss_destroy(model->loss);
    normd_optimizer_destroy(model->optimizer);
    free(model);
}

/* A random stream a tensor: the same values wherever and whenever the tensor is filled. */
static uint64_t stream_of(size_t layer, size_t tensor)
{
    return (uint64_t)layer * 16 + tensor;
}

static void fill_tensor(const normd_model *model, const normd_layer_tensor *tensor, uint64_t stream,
    normd_options *options, char *slab)
{
    normd_initializer_target target = normd_layer_target(tensor);
    target.random = (normd_random){.seed = model->seed, .stream = stream};
    target.values = slab + tensor->offset;
    target.pool = model->compute.pool;
    normd_initializer_read(options, tensor->init_key, tensor->init_default, &target, NULL);
    for (size_t i = 0; tensor->not_negative && i < tensor->elements; i++) {
        double value = normd_value_load(tensor->dtype, target.values, i);
        if (value < 0.0) {
            normd_options_fail(options, tensor->init_key,
                "expected values of 0 or more, got %g at position %zu", value, i);
        }
    }
}

normd_status normd_model_initialize(const normd_model *model, const json_t *configuration,
    const normd_attachments *attachments, char *parameters, char *statistics, normd_error *error)
{
    const json_t *layers = json_object_get(configuration, "layers");
    for (size_t i = 0; i < model->layers; i++) {
        normd_options options;
        normd_options_begin(&options, json_array_get(layers, i), attachments, "layers[%zu]", i);
        const normd_layer *layer = model->layer[i];
        for (size_t t = 0; t < layer->tensors; t++) {
            const normd_layer_tensor *tensor = &layer->tensor[t];
            if (tensor->init_default != NULL) {
                char *slab = tensor->slab == NORMD_SLAB_PARAMETERS ? parameters : statistics;
                fill_tensor(model, tensor, stream_of(i, t), &options, slab);
            }
        }
        /* Unknown keys were refused when the layer was created. */
        if (options.error.status != NORMD_OK) {
            return normd_error_set(error, options.error.status, "%s", options.error.message);
        }
        if (layer->operations->initialize != NULL) {
            layer->operations->initialize(layer, parameters, statistics);
        }
    }
    return NORMD_OK;
}

void normd_model_initialize_slots(const normd_model *model, char *slots)
{
    for (size_t i = 0; i < model->update_tiles; i++) {
        const normd_update_tile *tile = &model->update_tile[i];
        for (size_t slot = 0; slot < model->slots; slot++) {
            double value = normd_optimizer_initial(model->optimizer, tile->set, slot);
            char *values = slots + slot * model->parameter_bytes + tile->tensor->offset;
            for (size_t j = tile->begin; j < tile->begin + tile->count && value != 0.0; j++) {
                normd_value_store(tile->tensor->dtype, values, j, value);
            }
        }
    }
    double *scalars = normd_model_scalars(model, slots);
    for (size_t i = 0; i < model->scalars; i++) {
        scalars[i] = normd_optimizer_scalar(model->optimizer, i)->initial;
    }
}

bool normd_model_step_is_due(const normd_model *model, char *slots)
{
    uint64_t steps = normd_optimizer_accumulate_steps(model->optimizer);
    if (steps == 1) {
        return true;
    }
    size_t scalar = normd_optimizer_scalar_of(model->optimizer, NORMD_SCALAR_ACCUMULATED);
    return normd_model_scalars(model, slots)[scalar] + 1.0 >= (double)steps;
}

void normd_model_derive(
    const normd_model *model, const char *parameters, const char *statistics, char *derived)
{
    for (size_t i = 0; i < model->layers; i++) {
        const normd_layer *layer = model->layer[i];
        if (layer->operations->derive != NULL) {
            layer->operations->derive(
                layer, parameters, statistics, derived + layer->derived_offset);
        }
    }
}
