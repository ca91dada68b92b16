// SPDX-License-Identifier: Apache-2.0
#include "lib/model/layout.h"

#include <stdio.h>
#include <stdlib.h>

/* Values that all tensors of a session may have together. With it no size below can overflow. */
static const size_t most_values = (size_t)1 << 31;

/* Places one tensor at the end of its slab. */
static bool place(normd_model *model, normd_layer_tensor *tensor, size_t *values)
{
    if (tensor->elements > most_values || *values > most_values - tensor->elements) {
        return false;
    }
    *values += tensor->elements;
    bool parameter = tensor->slab == NORMD_SLAB_PARAMETERS;
    size_t *slab = parameter ? &model->parameter_bytes : &model->statistic_bytes;
    tensor->offset = *slab;
    *slab += normd_round_to_line(tensor->elements * normd_dtype_size(tensor->dtype));
    if (parameter) {
        model->parameter_values += tensor->elements;
        model->update_tiles += (tensor->elements + NORMD_UPDATE_TILE - 1) / NORMD_UPDATE_TILE;
    }
    return true;
}

static normd_status place_layers(normd_model *model, size_t *own_bytes, normd_error *error)
{
    size_t values = 0;
    model->first_trained = model->layers;
    model->first_lazy = model->layers;
    for (size_t i = 0; i < model->layers; i++) {
        normd_layer *layer = model->layer[i];
        for (size_t t = 0; t < layer->tensors; t++) {
            if (!place(model, &layer->tensor[t], &values)) {
                return normd_error_set(error, NORMD_TOO_LARGE,
                    "layers[%zu]: expected no more than %zu parameters and statistics in a "
                    "session, got more",
                    i, most_values);
            }
            if (layer->tensor[t].trainable && i < model->first_trained) {
                model->first_trained = i;
            }
        }
        if (layer->lazy && i < model->first_lazy) {
            model->first_lazy = i;
        }
        *own_bytes += layer->own_bytes;
        layer->derived_offset = model->derived_bytes;
        model->derived_bytes += normd_round_to_line(layer->derived_bytes);
        model->propagates_nonfinite |= layer->propagates_nonfinite;
    }
    model->first_checks = model->layer[0]->checks_input;
    return NORMD_OK;
}

/* Puts "0.weight (norm_weight), 0.bias (norm_bias), ..." into `text`; what does not fit is left
   out. */
static void list_parameters(const normd_model *model, char *text, size_t size)
{
    static const char *const roles[] = {"weight", "bias", "norm_weight", "norm_bias"};
    size_t used = (size_t)snprintf(text, size, "the parameters");
    const char *comma = " ";
    for (size_t i = 0; i < model->update_tiles && used + 40 < size; i++) {
        const normd_update_tile *tile = &model->update_tile[i];
        if (tile->begin == 0) {
            used += (size_t)snprintf(text + used, size - used, "%s%zu.%.16s (%s)", comma,
                tile->layer, tile->tensor->name, roles[tile->tensor->role]);
            comma = ", ";
        }
    }
    if (used + 40 >= size) {
        snprintf(text + used, size - used, ", ...");
    }
}

static normd_status check_groups(const normd_model *model, normd_error *error)
{
    char text[320];
    list_parameters(model, text, sizeof text);
    return normd_optimizer_check_groups(model->optimizer, text, error);
}

static void cut_updates(normd_model *model)
{
    normd_update_tile *to = model->update_tile;
    for (size_t i = 0; i < model->layers; i++) {
        const normd_layer *layer = model->layer[i];
        for (size_t t = 0; t < layer->tensors; t++) {
            const normd_layer_tensor *tensor = &layer->tensor[t];
            bool parameter = tensor->slab == NORMD_SLAB_PARAMETERS;
            normd_parameter place = {.layer = i, .name = tensor->name, .role = tensor->role};
            size_t set = parameter ? normd_optimizer_place(model->optimizer, &place) : 0;
            size_t left = parameter ? tensor->elements : 0;
            for (size_t begin = 0; left > 0; to++) {
                size_t count = left < NORMD_UPDATE_TILE ? left : NORMD_UPDATE_TILE;
                *to = (normd_update_tile){
                    .tensor = tensor, .layer = i, .set = set, .begin = begin, .count = count};
                begin += count;
                left -= count;
            }
        }
    }
}

/* A step writes new slabs beside the old ones; gradients are those of a step and the accumulated.
 */
static normd_status check_size(normd_model *model, size_t own_bytes, normd_error *error)
{
    size_t once = 2 * model->parameter_bytes + model->slot_bytes + model->statistic_bytes +
                  model->derived_bytes;
    model->session_bytes = 2 * once + own_bytes;
    return normd_limit_check(model->limits.session_bytes, model->session_bytes,
        "layers: expected parameters, statistics and optimizer slots that take", "", error);
}

/* The slab of the slots. Scalars are tensors of one value, so that they move as other state. */
static normd_status place_slots(normd_model *model, normd_error *error)
{
    model->slots = normd_optimizer_slots(model->optimizer);
    model->scalars = normd_optimizer_scalars(model->optimizer);
    model->slot_bytes = model->slots * model->parameter_bytes;
    model->scalar = calloc(model->scalars + 1, sizeof *model->scalar);
    if (model->scalar == NULL) {
        return normd_error_no_memory(error);
    }
    for (size_t i = 0; i < model->scalars; i++) {
        model->scalar[i] = (normd_layer_tensor){
            .name = normd_optimizer_scalar(model->optimizer, i)->name,
            .dtype = NORMD_F64,
            .elements = 1,
            .offset = model->slot_bytes + i * sizeof(double),
        };
    }
    model->slot_bytes += normd_round_to_line(model->scalars * sizeof(double));
    return NORMD_OK;
}

normd_status normd_model_lay_out(normd_model *model, normd_error *error)
{
    size_t own_bytes = 0;
    normd_status status = place_layers(model, &own_bytes, error);
    if (status == NORMD_OK) {
        status = place_slots(model, error);
    }
    if (status == NORMD_OK) {
        status = check_size(model, own_bytes, error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    model->update_tile = calloc(model->update_tiles + 1, sizeof *model->update_tile);
    if (model->update_tile == NULL) {
        return normd_error_no_memory(error);
    }
    cut_updates(model);
    return check_groups(model, error);
}
