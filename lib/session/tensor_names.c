// SPDX-License-Identifier: Apache-2.0
#include "lib/session/tensor_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char slot_prefix[] = "optimizer.";

void normd_tensor_name(
    const normd_model *model, const normd_tensor_place *place, char name[NORMD_TENSOR_NAME_BYTES])
{
    if (place->is_scalar) {
        snprintf(name, NORMD_TENSOR_NAME_BYTES, "%s%s", slot_prefix, place->tensor->name);
    } else if (place->is_slot) {
        snprintf(name, NORMD_TENSOR_NAME_BYTES, "%s%zu.%s.%s", slot_prefix, place->layer,
            place->tensor->name, normd_optimizer_slot(model->optimizer, place->slot)->name);
    } else {
        snprintf(name, NORMD_TENSOR_NAME_BYTES, "%zu.%s", place->layer, place->tensor->name);
    }
}

/* The slot's number, or model->slots. */
static size_t slot_of(const normd_model *model, const char *name)
{
    size_t slot = 0;
    while (slot < model->slots &&
           strcmp(normd_optimizer_slot(model->optimizer, slot)->name, name) != 0) {
        slot++;
    }
    return slot;
}

static bool locate_scalar(const normd_model *model, const char *name, normd_tensor_place *place)
{
    for (size_t i = 0; i < model->scalars; i++) {
        if (strcmp(model->scalar[i].name, name) == 0) {
            place->is_scalar = true;
            place->tensor = &model->scalar[i];
            return true;
        }
    }
    return false;
}

bool normd_tensor_locate(const normd_model *model, const char *name, normd_tensor_place *place)
{
    *place = (normd_tensor_place){.layer = 0};
    char tensor[NORMD_TENSOR_NAME_BYTES];
    char again[NORMD_TENSOR_NAME_BYTES];
    const char *at = name;
    if (strncmp(at, slot_prefix, sizeof slot_prefix - 1) == 0) {
        place->is_slot = true;
        at += sizeof slot_prefix - 1;
        if (locate_scalar(model, at, place)) {
            return true;
        }
    }
    char *end;
    place->layer = strtoul(at, &end, 10);
    if (place->layer >= model->layers || *end != '.' || strlen(end + 1) >= sizeof tensor) {
        return false;
    }
    strcpy(tensor, end + 1);
    char *dot = strchr(tensor, '.');
    if (place->is_slot) {
        if (dot == NULL) {
            return false;
        }
        *dot = '\0';
        place->slot = slot_of(model, dot + 1);
        if (place->slot == model->slots) {
            return false;
        }
    }
    place->tensor = normd_layer_find(model->layer[place->layer], tensor);
    if (place->tensor == NULL || (place->is_slot && !place->tensor->trainable)) {
        return false;
    }
    /* One spelling only: "01.weight" is no name of ours. */
    normd_tensor_name(model, place, again);
    return strcmp(again, name) == 0;
}

/* The tensor behind `place` in the order of the layers; the first when its tensor is NULL. */
static bool next_tensor(const normd_model *model, normd_tensor_place *place)
{
    size_t index = 0;
    if (place->tensor == NULL) {
        place->layer = 0;
    } else {
        index = (size_t)(place->tensor - model->layer[place->layer]->tensor) + 1;
    }
    for (; place->layer < model->layers; place->layer++, index = 0) {
        const normd_layer *layer = model->layer[place->layer];
        for (; index < layer->tensors; index++) {
            if (!place->is_slot || layer->tensor[index].trainable) {
                place->tensor = &layer->tensor[index];
                return true;
            }
        }
    }
    return false;
}

/* The scalar behind `place`; the first when it is none. */
static bool next_scalar(const normd_model *model, normd_tensor_place *place)
{
    size_t index = place->is_scalar ? (size_t)(place->tensor - model->scalar) + 1 : 0;
    *place =
        (normd_tensor_place){.is_slot = true, .is_scalar = true, .tensor = &model->scalar[index]};
    return index < model->scalars;
}

bool normd_tensor_next(const normd_model *model, normd_tensor_place *place)
{
    if (place->is_scalar) {
        return next_scalar(model, place);
    }
    if (place->is_slot && place->slot + 1 < model->slots) {
        place->slot++;
        return true;
    }
    place->slot = 0;
    if (next_tensor(model, place)) {
        return true;
    }
    if (!place->is_slot && model->slots > 0) {
        *place = (normd_tensor_place){.is_slot = true};
        if (next_tensor(model, place)) {
            return true;
        }
    }
    return next_scalar(model, place);
}

size_t normd_tensor_offset(const normd_model *model, const normd_tensor_place *place)
{
    return place->slot * model->parameter_bytes + place->tensor->offset;
}
