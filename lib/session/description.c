// SPDX-License-Identifier: Apache-2.0
#include "lib/session/description.h"

#include <string.h>

static bool is_array_initializer(const json_t *value)
{
    const char *name = json_string_value(json_object_get(value, "name"));
    return name != NULL && strcmp(name, "array") == 0;
}

json_t *normd_description_strip_arrays(const json_t *configuration)
{
    json_t *stripped = json_deep_copy(configuration);
    size_t index;
    json_t *layer;
    json_array_foreach(json_object_get(stripped, "layers"), index, layer)
    {
        const char *key;
        json_t *value;
        void *next;
        json_object_foreach_safe(layer, next, key, value)
        {
            if (is_array_initializer(value)) {
                json_object_del(layer, key);
            }
        }
    }
    return stripped;
}

void normd_description_restore_arrays(normd_model *model, const json_t *configuration)
{
    const json_t *layers = json_object_get(configuration, "layers");
    for (size_t i = 0; i < model->layers; i++) {
        normd_layer *layer = model->layer[i];
        for (size_t t = 0; t < layer->tensors; t++) {
            normd_layer_tensor *tensor = &layer->tensor[t];
            if (tensor->init == NULL) {
                continue;
            }
            const char *key = tensor->init_name[model->convention];
            json_t *given = json_object_get(json_array_get(layers, i), key);
            if (is_array_initializer(given)) {
                json_decref(tensor->init);
                tensor->init = json_deep_copy(given);
            }
        }
    }
}

char *normd_description_created(const normd_model *model)
{
    if (model->created != NULL) {
        return strdup(model->created);
    }
    json_t *configuration = normd_model_configuration(model, model->convention);
    char *text = json_dumps(configuration, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(configuration);
    return text;
}
