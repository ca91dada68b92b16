// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <string.h>

#include "lib/layers/batch_norm.h"
#include "lib/layers/sample_norm.h"
#include "lib/session/session_state.h"

static bool has_stats(const normd_layer *layer)
{
    return layer->operations == &normd_batch_norm_operations ||
           layer->operations == &normd_instance_norm_operations;
}

size_t normd_snapshot_stats_count(const normd_snapshot *snapshot)
{
    size_t count = 0;
    for (size_t i = 0; i < snapshot->model->layers; i++) {
        count += has_stats(snapshot->model->layer[i]);
    }
    return count;
}

static void add_array(const normd_snapshot *snapshot, const normd_layer *layer,
    const char *tensor_name, const char *name, normd_layer_stats *stats)
{
    const normd_layer_tensor *tensor = normd_layer_find(layer, tensor_name);
    if (tensor == NULL || tensor->elements == 0) {
        return;
    }
    bool parameter = tensor->slab == NORMD_SLAB_PARAMETERS;
    normd_slab *slab = parameter ? snapshot->parameters : snapshot->statistics;
    stats->array_name[stats->arrays] = name;
    stats->array[stats->arrays] = (normd_array){
        .dtype = tensor->dtype,
        .shape = tensor->shape,
        .data = normd_slab_data(slab) + tensor->offset,
    };
    stats->arrays++;
}

void normd_snapshot_stats(const normd_snapshot *snapshot, size_t index, normd_convention convention,
    normd_layer_stats *stats)
{
    const normd_model *model = snapshot->model;
    const normd_convention_facts *facts = normd_convention_facts_of(convention);
    size_t place = 0;
    while (!has_stats(model->layer[place]) || index-- > 0) {
        place++;
        assert(place < model->layers);
    }
    const normd_layer *layer = model->layer[place];
    const normd_layer_tensor *batches = normd_layer_find(layer, "num_batches_tracked");
    *stats = (normd_layer_stats){.name = layer->name, .type = layer->operations->type};
    if (batches != NULL) {
        const char *count = normd_slab_data(snapshot->statistics) + batches->offset;
        memcpy(&stats->num_batches_tracked, count, sizeof stats->num_batches_tracked);
    }
    add_array(snapshot, layer, "running_mean", facts->running_mean_name, stats);
    add_array(snapshot, layer, "running_var", facts->running_var_name, stats);
    add_array(snapshot, layer, "running_std", facts->running_std_name, stats);
    add_array(snapshot, layer, "renorm_mean", "renorm_mean", stats);
    add_array(snapshot, layer, "renorm_std", facts->renorm_std_name, stats);
    add_array(snapshot, layer, "weight", facts->weight_name, stats);
    add_array(snapshot, layer, "bias", facts->bias_name, stats);
}
