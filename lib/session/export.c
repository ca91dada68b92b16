// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "lib/exchange/safetensors.h"
#include "lib/session/export_npz.h"
#include "lib/session/tensor_names.h"

typedef char tensor_name[NORMD_TENSOR_NAME_BYTES];

normd_array normd_snapshot_tensor(const normd_snapshot *snapshot, const normd_tensor_place *place)
{
    bool parameter = place->tensor->slab == NORMD_SLAB_PARAMETERS;
    normd_slab *slab = place->is_slot ? snapshot->slots
                       : parameter    ? snapshot->parameters
                                      : snapshot->statistics;
    return (normd_array){
        .dtype = place->tensor->dtype,
        .shape = place->tensor->shape,
        .data = normd_slab_data(slab) + normd_tensor_offset(snapshot->model, place),
    };
}

/* Without the optimizer's slots unless they are asked for; returns how many there are. */
static size_t list_arrays(
    const normd_snapshot *snapshot, bool optimizer, normd_named_array *arrays, tensor_name *names)
{
    normd_tensor_place place = {.layer = 0};
    size_t count = 0;
    while (normd_tensor_next(snapshot->model, &place) && (optimizer || !place.is_slot)) {
        normd_tensor_name(snapshot->model, &place, names[count]);
        arrays[count].name = names[count];
        arrays[count].array = normd_snapshot_tensor(snapshot, &place);
        count++;
    }
    return count;
}

static json_t *make_metadata(const normd_snapshot *snapshot)
{
    const normd_model *model = snapshot->model;
    json_t *configuration = normd_model_configuration(model, model->convention);
    char *text = json_dumps(configuration, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(configuration);
    char version[24];
    char steps[24];
    char digest[24];
    snprintf(version, sizeof version, "%llu", (unsigned long long)snapshot->version);
    snprintf(steps, sizeof steps, "%llu", (unsigned long long)snapshot->steps);
    snprintf(digest, sizeof digest, "%llu", (unsigned long long)snapshot->digest);
    json_t *metadata = NULL;
    if (text != NULL) {
        metadata = json_pack("{s:s, s:s, s:s, s:s, s:s}", "format", "pt",
            NORMD_METADATA_CONFIGURATION, text, NORMD_METADATA_VERSION, version,
            NORMD_METADATA_STEPS, steps, NORMD_METADATA_DIGEST, digest);
    }
    if (metadata != NULL && model->created != NULL &&
        !normd_layer_put(metadata, NORMD_METADATA_CREATED, json_string(model->created))) {
        json_decref(metadata);
        metadata = NULL;
    }
    free(text);
    return metadata;
}

static normd_status export_safetensors(
    const normd_snapshot *snapshot, bool optimizer, normd_buffer **file, normd_error *error)
{
    size_t count = 0;
    normd_tensor_place place = {.layer = 0};
    while (normd_tensor_next(snapshot->model, &place)) {
        count++;
    }
    normd_named_array *arrays = calloc(count + 1, sizeof *arrays);
    tensor_name *names = calloc(count + 1, sizeof *names);
    json_t *metadata = make_metadata(snapshot);
    normd_status status;
    if (arrays == NULL || names == NULL || metadata == NULL) {
        status = normd_error_no_memory(error);
    } else {
        count = list_arrays(snapshot, optimizer, arrays, names);
        const normd_model *model = snapshot->model;
        status = normd_safetensors_write(model->compute.buffers, arrays, count, metadata,
            model->limits.answer_bytes, file, error);
    }
    json_decref(metadata);
    free(names);
    free(arrays);
    return status;
}

normd_status normd_snapshot_export(const normd_snapshot *snapshot,
    const normd_export_options *options, normd_buffer **file, normd_error *error)
{
    *file = NULL;
    normd_status status = normd_model_check_known(snapshot->model, error);
    if (status != NORMD_OK) {
        return status;
    }
    if (options->format == NORMD_FORMAT_NPZ) {
        return normd_snapshot_export_npz(snapshot, options->optimizer, file, error);
    }
    return export_safetensors(snapshot, options->optimizer, file, error);
}
