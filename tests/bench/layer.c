// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/layer.h"

#include <string.h>

/* Where the parts of `slabs` begin. */
typedef struct slab_sizes {
    size_t parameters, statistics, derived, kept, scratch, total;
} slab_sizes;

static normd_layer *create_layer(const normd_compute *compute, const bench_request *request)
{
    json_t *map = json_pack("{s:s, s:I, s:i}", "type", "batch_norm", "features",
        (json_int_t)request->dim[1], "axis", request->channels_last ? -1 : 1);
    normd_flow flow = {.features = 0};
    normd_layer_source source = {
        .convention = NORMD_PYTORCH, .dtype = compute->dtype, .flow = &flow};
    normd_attachments none = {.count = 0};
    normd_layer *layer = NULL;
    normd_error error;
    if (map != NULL) {
        (void)normd_layer_create(map, &none, 0, &source, &layer, &error);
    }
    json_decref(map);
    if (layer != NULL && layer->operations->prepare != NULL && !layer->operations->prepare(layer)) {
        normd_layer_destroy(layer);
        layer = NULL;
    }
    return layer;
}

/* Gives each tensor its place, as a model does. */
static slab_sizes lay_out(normd_layer *layer, const normd_shape *x)
{
    slab_sizes sizes = {.total = 0};
    for (size_t i = 0; i < layer->tensors; i++) {
        normd_layer_tensor *tensor = &layer->tensor[i];
        size_t *slab =
            tensor->slab == NORMD_SLAB_PARAMETERS ? &sizes.parameters : &sizes.statistics;
        tensor->offset = *slab;
        *slab += normd_round_to_line(tensor->elements * normd_dtype_size(tensor->dtype));
    }
    normd_layer_need need = {.kept = 0};
    layer->operations->need(layer, x, &need);
    sizes.derived = normd_round_to_line(layer->derived_bytes);
    sizes.kept = normd_round_to_line(need.kept);
    sizes.scratch = normd_round_to_line(need.scratch);
    sizes.total =
        2 * sizes.parameters + sizes.statistics + sizes.derived + sizes.kept + sizes.scratch;
    return sizes;
}

static void set_tensor(
    const normd_layer *layer, const char *name, normd_dtype dtype, char *slab, double value)
{
    const normd_layer_tensor *tensor = normd_layer_find(layer, name);
    for (size_t i = 0; i < tensor->elements; i++) {
        normd_value_store(dtype, slab + tensor->offset, i, value);
    }
}

static normd_shape shape_of(const bench_request *request)
{
    normd_shape shape = {.rank = (uint32_t)request->rank, .dim = {request->dim[0]}};
    for (size_t axis = 1; axis < request->rank; axis++) {
        shape.dim[axis] = request->dim[axis];
    }
    if (request->channels_last) {
        memmove(&shape.dim[1], &request->dim[2], (request->rank - 2) * sizeof request->dim[0]);
        shape.dim[request->rank - 1] = request->dim[1];
    }
    return shape;
}

static bool set_up(bench_layer *layer, const bench_batch *batch, const normd_shape *shape)
{
    normd_dtype dtype = layer->compute->dtype;
    slab_sizes sizes = lay_out(layer->layer, shape);
    layer->slabs = normd_buffer_take(layer->compute->buffers, sizes.total);
    if (layer->slabs == NULL) {
        return false;
    }
    char *parameters = layer->slabs->data;
    memset(parameters, 0, sizes.total);
    char *gradients = parameters + sizes.parameters;
    char *statistics = gradients + sizes.parameters;
    char *derived = statistics + sizes.statistics;
    char *kept = derived + sizes.derived;
    set_tensor(layer->layer, "weight", dtype, parameters, 1.5);
    set_tensor(layer->layer, "bias", dtype, parameters, 0.5);
    set_tensor(layer->layer, "running_var", dtype, statistics, 1.0);
    layer->layer->operations->derive(layer->layer, parameters, statistics, derived);
    layer->pass = (normd_layer_pass){
        .compute = layer->compute,
        .layer = layer->layer,
        .input_name = "x",
        .shape = *shape,
        .y_shape = *shape,
        .parameters = parameters,
        .statistics = statistics,
        .derived = derived,
        .new_statistics = statistics,
        .x = batch->x,
        .y = batch->y,
        .kept = kept,
        .scratch = kept + sizes.kept,
        .dy = batch->dy,
        .dx = batch->dx,
        .gradients = gradients,
    };
    return true;
}

bool bench_layer_create(bench_layer *layer, const normd_compute *compute,
    const bench_request *request, const bench_batch *batch)
{
    normd_shape shape = shape_of(request);
    *layer = (bench_layer){.compute = compute, .layer = create_layer(compute, request)};
    if (layer->layer == NULL || !set_up(layer, batch, &shape)) {
        bench_layer_destroy(layer);
        return false;
    }
    return true;
}

void bench_layer_destroy(bench_layer *layer)
{
    normd_layer_destroy(layer->layer);
    normd_buffer_release(layer->slabs);
    *layer = (bench_layer){.layer = NULL};
}

bool bench_layer_train_forward(bench_layer *layer)
{
    normd_error error;
    return layer->layer->operations->forward(&layer->pass, &error) == NORMD_OK;
}

bool bench_layer_eval_forward(bench_layer *layer)
{
    normd_error error;
    return layer->layer->operations->infer(&layer->pass, &error) == NORMD_OK;
}

bool bench_layer_forward_backward(bench_layer *layer)
{
    if (!bench_layer_train_forward(layer)) {
        return false;
    }
    layer->layer->operations->backward(&layer->pass);
    return true;
}
