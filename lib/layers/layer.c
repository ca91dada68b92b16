// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/layer.h"

#include <stdio.h>
#include <string.h>

#include "lib/layers/activation.h"
#include "lib/layers/batch_norm.h"
#include "lib/layers/conv2d.h"
#include "lib/layers/dropout.h"
#include "lib/layers/flatten.h"
#include "lib/layers/global_avg_pool2d.h"
#include "lib/layers/linear.h"
#include "lib/layers/pool2d.h"
#include "lib/layers/relu.h"
#include "lib/layers/sample_norm.h"
#include "lib/layers/softmax.h"

/* Every kind of layer, once. */
// clang-format off
static const normd_layer_operations *const layer_table[] = {
    &normd_batch_norm_operations,
    &normd_linear_operations,
    &normd_relu_operations,
    &normd_layer_norm_operations,
    &normd_rms_norm_operations,
    &normd_group_norm_operations,
    &normd_instance_norm_operations,
    &normd_activation_named_operations,
    &normd_dropout_operations,
    &normd_flatten_operations,
    &normd_conv2d_operations,
    &normd_max_pool2d_operations,
    &normd_avg_pool2d_operations,
    &normd_global_avg_pool2d_operations,
    &normd_softmax_operations,
    &normd_log_softmax_operations,
#define ACTIVATION(kind, name, reads_x) &normd_activation_operations[NORMD_ACTIVATION_##kind],
    NORMD_ACTIVATION_MAP(ACTIVATION)
#undef ACTIVATION
};
// clang-format on

/* Other names of kinds, that say more than the kind's own. */
static const struct alias {
    const char *type;
    const normd_layer_operations *operations;
} alias_table[] = {
    {"batch_norm1d", &normd_batch_norm_operations},
    {"batch_norm2d", &normd_batch_norm_operations},
    {"batch_norm3d", &normd_batch_norm_operations},
    {"batch_normalization", &normd_batch_norm_operations},
    {"layer_normalization", &normd_layer_norm_operations},
    {"rms_normalization", &normd_rms_norm_operations},
    {"group_normalization", &normd_group_norm_operations},
    {"instance_norm1d", &normd_instance_norm_operations},
    {"instance_norm2d", &normd_instance_norm_operations},
    {"instance_norm3d", &normd_instance_norm_operations},
    {"dense", &normd_linear_operations},
    {"max_pooling2d", &normd_max_pool2d_operations},
    {"average_pooling2d", &normd_avg_pool2d_operations},
    {"global_average_pooling2d", &normd_global_avg_pool2d_operations},
    {"adaptive_avg_pool2d", &normd_global_avg_pool2d_operations},
    {"swish", &normd_activation_operations[NORMD_ACTIVATION_SILU]},
    {"hard_swish", &normd_activation_operations[NORMD_ACTIVATION_HARDSWISH]},
    {"hard_silu", &normd_activation_operations[NORMD_ACTIVATION_HARDSWISH]},
};

enum {
    LAYER_KINDS = sizeof layer_table / sizeof *layer_table,
    LAYER_ALIASES = sizeof alias_table / sizeof *alias_table,
};

static const normd_layer_operations *read_type(normd_options *options, const char **type)
{
    const char *words[LAYER_KINDS + LAYER_ALIASES + 1] = {NULL};
    for (size_t i = 0; i < LAYER_KINDS; i++) {
        words[i] = layer_table[i]->type;
    }
    for (size_t i = 0; i < LAYER_ALIASES; i++) {
        words[LAYER_KINDS + i] = alias_table[i].type;
    }
    if (options->error.status == NORMD_OK && !normd_options_has(options, "type")) {
        normd_options_fail(options, "type", "expected the kind of the layer, got nothing");
    }
    int kind = normd_options_kind(options, "type", words, 0);
    if (options->error.status != NORMD_OK) {
        return NULL;
    }
    *type = words[kind];
    return kind < LAYER_KINDS ? layer_table[kind] : alias_table[kind - LAYER_KINDS].operations;
}

normd_status normd_layer_create(const json_t *map, const normd_attachments *attachments,
    size_t index, normd_layer_source *source, normd_layer **layer, normd_error *error)
{
    normd_options options;
    normd_options_begin(&options, map, attachments, "layers[%zu]", index);
    source->options = &options;
    source->index = index;
    *layer = NULL;
    const normd_layer_operations *operations = read_type(&options, &source->type);
    if (operations != NULL) {
        *layer = operations->create(source);
    }
    normd_status status = normd_options_finish(&options, error);
    if (status == NORMD_OK && *layer == NULL) {
        status = normd_error_no_memory(error);
    }
    if (status != NORMD_OK) {
        normd_layer_destroy(*layer);
        *layer = NULL;
        return status;
    }
    snprintf((*layer)->name, sizeof(*layer)->name, "%u", (unsigned)index % 10000);
    return NORMD_OK;
}

void normd_layer_destroy(normd_layer *layer)
{
    if (layer == NULL) {
        return;
    }
    for (size_t i = 0; i < layer->tensors; i++) {
        json_decref(layer->tensor[i].init);
    }
    layer->operations->destroy(layer);
}

void normd_layer_infer_need(const normd_layer *layer, const normd_shape *x, normd_layer_need *need)
{
    *need = (normd_layer_need){0};
    if (layer->operations->need != NULL && layer->derived_bytes == 0) {
        layer->operations->need(layer, x, need);
    }
}

size_t normd_layer_read_features(normd_layer *layer, const normd_layer_source *source,
    const char *key, size_t before, size_t most)
{
    normd_options *options = source->options;
    const json_t *value = normd_options_any(options, key);
    size_t features = before;
    if (value != NULL && !json_is_null(value)) {
        features = (size_t)normd_options_integer(options, key, (int64_t)before, 1, (int64_t)most);
    }
    layer->lazy = normd_options_bool(options, "lazy", features == 0);
    if (layer->lazy && features != 0) {
        normd_options_fail(
            options, "lazy", "expected false where %s is known, %zu, got true", key, features);
    } else if (features > most || (features == 0 && !layer->lazy)) {
        normd_options_fail(options, key,
            "expected a number, since neither `input` nor an earlier layer tells it; got nothing");
    } else if (before != 0 && features != before) {
        normd_options_fail(
            options, key, "expected %zu, what comes before, got %zu", before, features);
    }
    return features;
}

bool normd_layer_put_features(
    json_t *map, const normd_layer *layer, const char *key, size_t features)
{
    json_t *number = layer->lazy ? json_null() : json_integer((json_int_t)features);
    return normd_layer_put(map, key, number) &&
           (!layer->lazy || normd_layer_put(map, "lazy", json_true()));
}

/* An array that is given for what has no shape yet. */
static void refuse_array(const normd_layer_source *source, const char *key)
{
    if (normd_initializer_is_array(normd_options_any(source->options, key))) {
        normd_options_fail(source->options, key,
            "expected a name or a number where the features come from the first batch, got an "
            "array");
    }
}

void normd_layer_declare(
    normd_layer *layer, const normd_layer_source *source, const normd_layer_tensor *tensor)
{
    normd_layer_tensor *own = &layer->tensor[layer->tensors++];
    *own = *tensor;
    if (own->init_default != NULL) {
        own->init_key =
            normd_layer_name(source, own->init_name[NORMD_PYTORCH], own->init_name[NORMD_KERAS]);
    }
    if (layer->lazy && own->init_default != NULL) {
        refuse_array(source, own->init_key);
    }
    if (!normd_shape_elements(&own->shape, &own->elements)) {
        own->elements = 0;
        char shape[NORMD_SHAPE_TEXT_BYTES];
        normd_error_set(&source->options->error, NORMD_TOO_LARGE,
            "%s: expected an array that fits in memory, got one of shape %s", source->options->path,
            normd_shape_format(&own->shape, shape, sizeof shape));
    }
    if (own->init_default != NULL) {
        normd_initializer_target target = normd_layer_target(own);
        normd_initializer_read(
            source->options, own->init_key, own->init_default, &target, &own->init);
    }
    normd_layer_read_penalties(own, source);
}

normd_initializer_target normd_layer_target(const normd_layer_tensor *tensor)
{
    bool keras = strcmp(tensor->init_key, tensor->init_name[NORMD_KERAS]) == 0;
    return (normd_initializer_target){
        .dtype = tensor->dtype,
        .shape = tensor->shape,
        .axes = keras ? tensor->keras_axes : NULL,
        .fan_in = tensor->fan_in,
        .fan_out = tensor->fan_out,
    };
}

bool normd_layer_put_initializers(
    json_t *map, const normd_layer *layer, normd_convention convention)
{
    bool ok = true;
    for (size_t i = 0; i < layer->tensors && ok; i++) {
        const normd_layer_tensor *tensor = &layer->tensor[i];
        if (tensor->init != NULL) {
            /* A copy: jansson reads reference counts without atomics, and several threads may
               describe one session. */
            json_t *init = json_deep_copy(tensor->init);
            ok = normd_layer_put(map, tensor->init_name[convention], init);
        }
        ok = ok && normd_layer_put_penalties(map, tensor, convention);
    }
    return ok;
}

const normd_layer_tensor *normd_layer_find(const normd_layer *layer, const char *name)
{
    for (size_t i = 0; i < layer->tensors; i++) {
        if (strcmp(layer->tensor[i].name, name) == 0) {
            return &layer->tensor[i];
        }
    }
    return NULL;
}

void normd_layer_copy_through(const normd_layer_pass *pass, const void *from, void *to)
{
    if (to != from) {
        const normd_array view = {.dtype = pass->compute->dtype, .shape = pass->shape};
        memcpy(to, from, normd_array_bytes(&view));
    }
}

const char *normd_flow_format(const normd_flow *flow, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "(N");
    for (uint32_t axis = 1; axis < flow->shape.rank && used < size; axis++) {
        size_t extent = flow->shape.dim[axis];
        int wrote = extent == 0 ? snprintf(text + used, size - used, ", ?")
                                : snprintf(text + used, size - used, ", %zu", extent);
        used += (size_t)wrote;
    }
    if (used < size) {
        snprintf(text + used, size - used, ")");
    }
    return text;
}

const char *normd_layer_key(normd_options *options, const char *preferred, const char *other)
{
    bool has_other = strcmp(preferred, other) != 0 && normd_options_has(options, other);
    if (has_other && normd_options_has(options, preferred)) {
        normd_options_fail(
            options, other, "expected one name of this option, got \"%s\" as well", preferred);
    }
    return has_other ? other : preferred;
}

const char *normd_layer_name(
    const normd_layer_source *source, const char *pytorch, const char *keras)
{
    bool is_keras = source->convention == NORMD_KERAS;
    return normd_layer_key(source->options, is_keras ? keras : pytorch, is_keras ? pytorch : keras);
}

bool normd_layer_put(json_t *map, const char *key, json_t *value)
{
    return json_object_set_new(map, key, value) == 0;
}
