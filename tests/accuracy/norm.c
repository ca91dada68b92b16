// SPDX-License-Identifier: Apache-2.0
#include "tests/accuracy/norm.h"

#include <stdlib.h>

#include "lib/layers/layer.h"

static normd_layer *create_layer(const accuracy_batch *batch, normd_error *error)
{
    json_t *map = json_pack("{s:s, s:I, s:i, s:f, s:f, s:s, s:s}", "type", "batch_norm", "features",
        (json_int_t)batch->channels, "axis", batch->shape->channels_last ? -1 : 1, "eps",
        ACCURACY_EPS, "momentum", 1.0, "running_variance", "biased", "on_nonfinite", "propagate");
    normd_flow flow = {.features = 0};
    normd_layer_source source = {.convention = NORMD_PYTORCH, .dtype = batch->dtype, .flow = &flow};
    normd_attachments none = {.count = 0};
    normd_layer *layer = NULL;
    normd_error_no_memory(error);
    if (map != NULL) {
        (void)normd_layer_create(map, &none, 0, &source, &layer, error);
    }
    json_decref(map);
    if (layer != NULL && layer->operations->prepare != NULL && !layer->operations->prepare(layer)) {
        normd_layer_destroy(layer);
        layer = NULL;
    }
    return layer;
}

/* Gives each tensor its place, as a model does; returns the bytes of the slabs. */
static void lay_out(normd_layer *layer, size_t *parameters, size_t *statistics)
{
    *parameters = *statistics = 0;
    for (size_t i = 0; i < layer->tensors; i++) {
        normd_layer_tensor *tensor = &layer->tensor[i];
        size_t *slab = tensor->slab == NORMD_SLAB_PARAMETERS ? parameters : statistics;
        tensor->offset = *slab;
        *slab += normd_round_to_line(tensor->elements * normd_dtype_size(tensor->dtype));
    }
}

static void put(const normd_layer *layer, const char *name, char *slab, const double *values)
{
    const normd_layer_tensor *tensor = normd_layer_find(layer, name);
    for (size_t i = 0; i < tensor->elements; i++) {
        normd_value_store(tensor->dtype, slab + tensor->offset, i, values[i]);
    }
}

static void get(const normd_layer *layer, const char *name, const char *slab, double *values)
{
    const normd_layer_tensor *tensor = normd_layer_find(layer, name);
    for (size_t i = 0; i < tensor->elements; i++) {
        values[i] = normd_value_load(tensor->dtype, slab + tensor->offset, i);
    }
}

static bool pass_both(const normd_layer *layer, const normd_layer_pass *pass,
    accuracy_result *result, normd_error *error)
{
    if (layer->operations->forward(pass, error) != NORMD_OK) {
        return false;
    }
    layer->operations->backward(pass);
    get(layer, "running_mean", pass->new_statistics, result->mean);
    get(layer, "running_var", pass->new_statistics, result->variance);
    get(layer, "weight", pass->gradients, result->dgamma);
    get(layer, "bias", pass->gradients, result->dbeta);
    return true;
}

bool accuracy_norm_run(const normd_kernel_set *kernels, const accuracy_batch *batch,
    accuracy_result *result, normd_error *error)
{
    normd_compute compute = {.kernels = kernels, .dtype = batch->dtype};
    normd_layer *layer = create_layer(batch, error);
    if (layer == NULL) {
        return false;
    }
    size_t parameters, statistics;
    lay_out(layer, &parameters, &statistics);
    normd_layer_need need = {.kept = 0};
    layer->operations->need(layer, &batch->extents, &need);
    size_t derived = normd_round_to_line(layer->derived_bytes);
    size_t kept = normd_round_to_line(need.kept);
    char *slabs = accuracy_allocate(
        2 * parameters + statistics + derived + kept + normd_round_to_line(need.scratch), 1);
    char *at_statistics = slabs + 2 * parameters;
    put(layer, "weight", slabs, batch->gamma);
    put(layer, "bias", slabs, batch->beta);
    bool ok = pass_both(layer,
        &(normd_layer_pass){
            .compute = &compute,
            .layer = layer,
            .input_name = "x",
            .shape = batch->extents,
            .y_shape = batch->extents,
            .parameters = slabs,
            .gradients = slabs + parameters,
            .statistics = at_statistics,
            .new_statistics = at_statistics,
            .derived = at_statistics + statistics,
            .kept = at_statistics + statistics + derived,
            .scratch = at_statistics + statistics + derived + kept,
            .x = batch->x,
            .y = result->y,
            .dy = batch->dy,
            .dx = result->dx,
        },
        result, error);
    free(slabs);
    normd_layer_destroy(layer);
    return ok;
}
