// SPDX-License-Identifier: Apache-2.0
#include "lib/model/model.h"

static json_t *describe_input(const normd_model *model)
{
    if (model->input.rank == 0) {
        return json_null();
    }
    json_t *list = json_array();
    for (uint32_t axis = 1; axis < model->input.rank && list != NULL; axis++) {
        size_t extent = model->input.dim[axis];
        json_t *value = extent == 0 ? json_null() : json_integer((json_int_t)extent);
        if (json_array_append_new(list, value) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *describe_layers(const normd_model *model, normd_convention convention)
{
    json_t *list = json_array();
    for (size_t i = 0; i < model->layers && list != NULL; i++) {
        const normd_layer *layer = model->layer[i];
        if (json_array_append_new(list, layer->operations->describe(layer, convention)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *normd_model_configuration(const normd_model *model, normd_convention convention)
{
    json_t *map = json_object();
    const char *own = normd_convention_facts_of(model->convention)->name;
    bool ok =
        map != NULL && normd_layer_put(map, "convention", json_string(own)) &&
        normd_layer_put(map, "dtype", json_string(normd_dtype_title(model->compute.dtype))) &&
        normd_layer_put(map, "seed", json_integer((json_int_t)model->seed)) &&
        normd_layer_put(map, "input", describe_input(model)) &&
        normd_layer_put(map, "layers", describe_layers(model, convention)) &&
        normd_layer_put(map, "loss", normd_loss_describe(model->loss, convention)) &&
        normd_layer_put(map, "metrics", normd_loss_describe_metrics(model->loss)) &&
        normd_layer_put(map, "optimizer", normd_optimizer_describe(model->optimizer, convention));
    if (!ok) {
        json_decref(map);
        return NULL;
    }
    return map;
}

/* What is normd's own counts nowhere. PyTorch counts num_batches_tracked among the buffers; Keras
   has no such thing, and counts frozen parameters with the statistics. */
json_t *normd_model_counts(const normd_model *model)
{
    size_t trainable = 0;
    size_t frozen = 0;
    size_t statistics = 0;
    size_t counters = 0;
    for (size_t i = 0; i < model->layers; i++) {
        const normd_layer *layer = model->layer[i];
        for (size_t t = 0; t < layer->tensors; t++) {
            const normd_layer_tensor *tensor = &layer->tensor[t];
            if (tensor->own) {
                continue;
            }
            if (tensor->slab == NORMD_SLAB_PARAMETERS) {
                *(tensor->trainable ? &trainable : &frozen) += tensor->elements;
            } else {
                *(tensor->dtype == NORMD_I64 ? &counters : &statistics) += tensor->elements;
            }
        }
    }
    return json_pack("{s:{s:I, s:I}, s:{s:I, s:I}}", "pytorch", "trainable", (json_int_t)trainable,
        "buffers", (json_int_t)(statistics + counters), "keras", "trainable", (json_int_t)trainable,
        "non_trainable", (json_int_t)(frozen + statistics));
}
