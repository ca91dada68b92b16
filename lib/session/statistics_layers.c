// SPDX-License-Identifier: Apache-2.0
#include "lib/session/statistics_layers.h"

#include <stdlib.h>
#include <string.h>

const normd_batch_norm *normd_statistics_norm(const normd_model *model, size_t index)
{
    const normd_layer *layer = model->layer[index];
    bool is_norm = layer->operations->forward == normd_batch_norm_forward;
    return is_norm ? normd_batch_norm_of(layer) : NULL;
}

bool normd_statistics_asked(const normd_model *model, size_t index, const char *layer)
{
    return normd_statistics_norm(model, index) != NULL &&
           (layer == NULL || strcmp(layer, model->layer[index]->name) == 0);
}

normd_status normd_statistics_check(
    const normd_model *model, const char *layer, bool tracked, normd_error *error)
{
    size_t asked = 0;
    size_t with = 0;
    for (size_t i = 0; i < model->layers; i++) {
        if (normd_statistics_asked(model, i, layer)) {
            asked++;
            with += normd_statistics_norm(model, i)->track;
        }
    }
    if (asked == 0 && layer != NULL) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "layer: expected the index of a batch_norm layer, got \"%.40s\"", layer);
    }
    if (asked == 0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "session: expected one with a batch_norm layer, got one without");
    }
    if (tracked && with == 0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s: expected running statistics, got track_running_stats false",
            layer != NULL ? "layer" : "session");
    }
    return NORMD_OK;
}

normd_status normd_statistics_collection_open(normd_statistics_collection *collection,
    const normd_model *model, const char *layer, bool tracked, normd_error *error)
{
    *collection = (normd_statistics_collection){.model = model};
    collection->begin = calloc(model->layers + 1, sizeof *collection->begin);
    if (collection->begin == NULL) {
        return normd_error_no_memory(error);
    }
    for (size_t i = 0; i < model->layers; i++) {
        const normd_batch_norm *norm = normd_statistics_norm(model, i);
        bool in = normd_statistics_asked(model, i, layer) && (norm->track || !tracked);
        collection->begin[i + 1] = collection->begin[i] + (in ? norm->features : 0);
    }
    collection->moments = calloc(collection->begin[model->layers] + 1, sizeof *collection->moments);
    if (collection->moments == NULL) {
        normd_statistics_collection_close(collection);
        return normd_error_no_memory(error);
    }
    return NORMD_OK;
}

void normd_statistics_collection_close(normd_statistics_collection *collection)
{
    free(collection->begin);
    free(collection->moments);
    *collection = (normd_statistics_collection){.model = NULL};
}

static normd_status see(
    void *context, size_t layer, const normd_layer_pass *pass, normd_error *error)
{
    const normd_statistics_collection *collection = context;
    size_t begin = collection->begin[layer];
    if (begin == collection->begin[layer + 1]) {
        return NORMD_OK;
    }
    return normd_batch_norm_measure(pass, collection->moments + begin, error);
}

normd_observer normd_statistics_observer(normd_statistics_collection *collection)
{
    return (normd_observer){.see = see, .context = collection};
}

normd_status normd_statistics_collect(normd_session *session, const normd_array *x,
    const normd_array *mask, normd_statistics_collection *collection, normd_error *error)
{
    normd_work work;
    normd_status status =
        normd_work_begin(&work, session, NORMD_WORK_FORWARD, &x->shape, false, error);
    if (status == NORMD_OK) {
        status = normd_work_input(&work, x, error);
    }
    if (status == NORMD_OK && mask != NULL) {
        status = normd_work_mask(&work, mask, error);
    }
    if (status == NORMD_OK) {
        normd_observer observer = normd_statistics_observer(collection);
        work.pass.observer = &observer;
        status = normd_work_forward(&work, error);
    }
    normd_work_end(&work);
    return status;
}

/* The layers of the collection, an array of `features` values a name each. */
static void lay_out(const normd_statistics_collection *collection, const char *const *names,
    normd_measures *measures)
{
    const normd_model *model = collection->model;
    size_t size = normd_dtype_size(model->compute.dtype);
    char *at = measures->values->data;
    for (size_t i = 0; i < model->layers; i++) {
        size_t features = collection->begin[i + 1] - collection->begin[i];
        if (features == 0) {
            continue;
        }
        normd_measure *measure = &measures->measure[measures->count++];
        measure->layer = i;
        measure->count = collection->moments[collection->begin[i]].count;
        for (size_t a = 0; a < NORMD_MEASURE_ARRAYS; a++, at += features * size) {
            measure->array_name[a] = names[a];
            measure->array[a] = (normd_array){
                .dtype = model->compute.dtype,
                .shape = {.rank = 1, .dim = {features}},
                .data = at,
            };
        }
    }
}

normd_status normd_measures_make(const normd_statistics_collection *collection, const char *first,
    const char *second, normd_measures *measures, normd_error *error)
{
    const normd_model *model = collection->model;
    const char *const names[NORMD_MEASURE_ARRAYS] = {first, second};
    size_t features = collection->begin[model->layers];
    measures->measure = calloc(model->layers, sizeof *measures->measure);
    measures->values = normd_buffer_take(model->compute.buffers,
        NORMD_MEASURE_ARRAYS * features * normd_dtype_size(model->compute.dtype));
    if (measures->measure == NULL || measures->values == NULL) {
        normd_measures_release(measures);
        return normd_error_no_memory(error);
    }
    lay_out(collection, names, measures);
    return NORMD_OK;
}

void normd_measures_release(normd_measures *measures)
{
    free(measures->measure);
    normd_buffer_release(measures->values);
    *measures = (normd_measures){.count = 0};
}
