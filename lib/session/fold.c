// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/layers/batch_norm.h"
#include "lib/layers/conv2d.h"
#include "lib/layers/linear.h"
#include "lib/session/description.h"
#include "lib/session/load.h"
#include "lib/tensor/convert.h"

/*
 * Folding a batch norm in inference mode into the linear layer or convolution before it, as
 * torch.nn.utils.fusion has it (fuse_linear_bn_weights, fuse_conv_bn_weights):
 *
 *   W' = W * s, b' = (b - mean) * s + beta, with s = gamma / sqrt(var + eps) of each output
 *
 * Here in double, and rounded once.
 */

/* The name of layer i's kind. */
static const char *type_of(const normd_model *model, size_t i)
{
    return model->layer[i]->operations->type;
}

static bool is_norm(const normd_model *model, size_t i)
{
    return model->layer[i]->operations == &normd_batch_norm_operations;
}

static bool takes_norm(const normd_model *model, size_t i)
{
    return strcmp(type_of(model, i), "linear") == 0 || strcmp(type_of(model, i), "conv2d") == 0;
}

/* Whether the norm's features are the outputs of the layer before it: those of a linear layer are
   on the last axis, those of a convolution on axis 1 of 4, or on the last. */
static bool is_over_outputs(const normd_model *model, size_t i)
{
    const normd_layer *before = model->layer[i - 1];
    if (before->operations != &normd_conv2d_operations) {
        uint32_t rank = ((const normd_linear *)before)->rank;
        return normd_batch_norm_axis(normd_batch_norm_of(model->layer[i]), rank) == rank - 1;
    }
    uint32_t channels = ((const normd_conv2d *)before)->channels_last ? 3 : 1;
    return normd_batch_norm_axis(normd_batch_norm_of(model->layer[i]), 4) == channels;
}

/* Whether layer i is a batch norm that goes into the layer before it. */
static bool folds(const normd_model *model, size_t i)
{
    return i > 0 && i < model->layers && is_norm(model, i) && takes_norm(model, i - 1) &&
           normd_batch_norm_of(model->layer[i])->track && is_over_outputs(model, i);
}

static normd_status refuse(const normd_model *model, normd_error *error)
{
    size_t norm = 0;
    while (norm < model->layers && !is_norm(model, norm)) {
        norm++;
    }
    if (norm == model->layers) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "fold: expected a session with a batch_norm, got one without");
    }
    bool tracks = normd_batch_norm_of(model->layer[norm])->track;
    if (tracks && norm > 0 && strcmp(type_of(model, norm - 1), "linear") == 0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "fold: expected a batch_norm over the outputs of the linear before it, the last axis; "
            "layers[%zu] has its features on another",
            norm);
    }
    if (tracks && norm > 0 && takes_norm(model, norm - 1)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "fold: expected a batch_norm over the channels of the conv2d before it; layers[%zu] "
            "has its features on axis %" PRIu32,
            norm, normd_batch_norm_axis(normd_batch_norm_of(model->layer[norm]), 4));
    }
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "fold: expected a batch_norm with running statistics directly behind a linear or conv2d; "
        "layers[%zu] %s%s",
        norm,
        !tracks     ? "has track_running_stats false"
        : norm == 0 ? "is the first layer"
                    : "stands behind ",
        tracks && norm > 0 ? type_of(model, norm - 1) : "");
}

/* A folded weight is not the one that a regularizer or constraint was meant for. */
static void drop_penalties(json_t *layer)
{
    static const char *const keys[] = {"weight_regularizer", "weight_constraint",
        "kernel_regularizer", "kernel_constraint", "bias_regularizer", "bias_constraint"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_object_del(layer, keys[i]);
    }
}

/* The configuration without what is folded. Another model has other parameters, so the optimizer
   is the convention's default. */
static json_t *folded_configuration(const normd_model *model)
{
    const char *bias = model->convention == NORMD_KERAS ? "use_bias" : "bias";
    json_t *described = normd_model_configuration(model, model->convention);
    json_t *configuration = described == NULL ? NULL : normd_description_strip_arrays(described);
    json_decref(described);
    json_t *layers = json_object_get(configuration, "layers");
    for (size_t i = model->layers; i-- > 0;) {
        if (folds(model, i)) {
            json_array_remove(layers, i);
            json_t *before = json_array_get(layers, i - 1);
            drop_penalties(before);
            json_object_set_new(before, bias, json_true());
        }
    }
    json_object_del(configuration, "optimizer");
    return configuration;
}

/* One folding while it is computed: a snapshot's layer, its batch norm, and where both go. */
typedef struct folding {
    const normd_snapshot *from;
    size_t layer;
    const normd_layer *made;
    char *parameters; /* of the made session */
    normd_dtype dtype;
} folding;

/* Value `index` of a tensor in the snapshot; `otherwise` when the layer does not have it. */
static double value_of(const folding *f, size_t layer, const normd_layer_tensor *tensor,
    size_t index, double otherwise)
{
    if (tensor == NULL) {
        return otherwise;
    }
    const normd_tensor_place place = {.layer = layer, .tensor = tensor};
    normd_array array = normd_snapshot_tensor(f->from, &place);
    return normd_value_load(array.dtype, array.data, index);
}

static void store(const folding *f, const normd_layer_tensor *tensor, size_t index, double value)
{
    char *to = f->parameters + tensor->offset;
    if (f->dtype == NORMD_F32) {
        float narrow = (float)value;
        memcpy(to + index * sizeof narrow, &narrow, sizeof narrow);
    } else {
        memcpy(to + index * sizeof value, &value, sizeof value);
    }
}

static void fold(const folding *f)
{
    const normd_model *model = f->from->model;
    size_t behind = f->layer + 1;
    const normd_batch_norm *norm = normd_batch_norm_of(model->layer[behind]);
    const normd_layer_tensor *weight = normd_layer_find(model->layer[f->layer], "weight");
    const normd_layer_tensor *bias = normd_layer_find(model->layer[f->layer], "bias");
    const normd_layer_tensor *new_weight = normd_layer_find(f->made, "weight");
    const normd_layer_tensor *new_bias = normd_layer_find(f->made, "bias");
    size_t row = weight->elements / norm->features; /* the output comes first in a weight */
    for (size_t c = 0; c < norm->features; c++) {
        double gamma = value_of(f, behind, norm->gamma, c, 1.0);
        double beta = value_of(f, behind, norm->beta, c, 0.0);
        double mean = value_of(f, behind, norm->mean, c, 0.0);
        double var = value_of(f, behind, norm->var, c, 1.0);
        double scale = gamma / sqrt(var + norm->eps);
        double offset = value_of(f, f->layer, bias, c, 0.0);
        store(f, new_bias, c, (offset - mean) * scale + beta);
        for (size_t k = c * row; k < (c + 1) * row; k++) {
            store(f, new_weight, k, value_of(f, f->layer, weight, k, 0.0) * scale);
        }
    }
}

/* Copies a layer that nothing is folded into: both have the same tensors in the same order. */
static void copy_layer(const normd_snapshot *from, size_t layer, const normd_model *model,
    size_t made, const normd_change *change)
{
    for (size_t t = 0; t < model->layer[made]->tensors; t++) {
        normd_tensor_place place = {
            .layer = layer, .tensor = &from->model->layer[layer]->tensor[t]};
        normd_array array = normd_snapshot_tensor(from, &place);
        place = (normd_tensor_place){.layer = made, .tensor = &model->layer[made]->tensor[t]};
        memcpy(normd_load_target(model, &place, change), array.data, normd_array_bytes(&array));
    }
}

static normd_status fill(
    const normd_snapshot *from, normd_session *made, uint64_t version, normd_error *error)
{
    const normd_model *model = from->model;
    normd_change change = {.version = version};
    normd_status status = normd_load_begin(made, &change, error);
    if (status != NORMD_OK) {
        return status;
    }
    for (size_t i = 0, to = 0; i < model->layers; i++) {
        if (folds(model, i + 1)) {
            const folding f = {.from = from,
                .layer = i,
                .made = made->model->layer[to],
                .parameters = normd_slab_data(change.parameters),
                .dtype = model->compute.dtype};
            fold(&f);
            to++;
        } else if (!folds(model, i)) {
            copy_layer(from, i, made->model, to++, &change);
        }
    }
    normd_load_end(&change, NORMD_OK, false);
    return normd_session_publish(made, &change, error);
}

normd_status normd_snapshot_fold(const normd_engine *engine, const normd_snapshot *snapshot,
    normd_session **folded, normd_error *error)
{
    const normd_model *model = snapshot->model;
    *folded = NULL;
    normd_status status = normd_model_check_known(model, error);
    if (status != NORMD_OK) {
        return status;
    }
    size_t found = 0;
    for (size_t i = 0; i < model->layers; i++) {
        found += folds(model, i);
    }
    if (found == 0) {
        return refuse(model, error);
    }
    json_t *configuration = folded_configuration(model);
    status = configuration == NULL
                 ? normd_error_no_memory(error)
                 : normd_session_create(engine, configuration, NULL, folded, error);
    json_decref(configuration);
    if (status == NORMD_OK) {
        status = fill(snapshot, *folded, snapshot->version, error);
    }
    if (status != NORMD_OK) {
        normd_session_destroy(*folded);
        *folded = NULL;
    }
    return status;
}
