// SPDX-License-Identifier: Apache-2.0
#include "lib/model/average.h"

#include <string.h>

/* How many weights the old average is of; NULL when the optimizer makes none. */
static double *averaged(const normd_model *model, char *slots)
{
    size_t scalar = normd_optimizer_scalar_of(model->optimizer, NORMD_SCALAR_AVERAGED);
    return scalar == model->scalars ? NULL : normd_model_scalars(model, slots) + scalar;
}

void normd_average_values(const normd_model_update *update, bool trained, size_t from, size_t count)
{
    const normd_model *model = update->model;
    const double *before = averaged(model, update->new_slots);
    if (before == NULL) {
        return;
    }
    const normd_averaging *averaging = normd_optimizer_averaging(model->optimizer);
    normd_dtype dtype = model->compute.dtype;
    size_t bytes = count * normd_dtype_size(dtype);
    size_t slot = normd_optimizer_slot_of(model->optimizer, NORMD_SLOT_AVERAGE);
    size_t place = slot * model->parameter_bytes + from;
    char *weights = update->new_parameters + from;
    char *average = update->new_slots + place;
    memcpy(average, update->slots + place, bytes);
    bool due = trained && normd_averaging_is_due(averaging, update->step);
    if (due) {
        normd_averaging_update(averaging, *before, dtype, count, weights, average);
    }
    bool is_there = due || (trained && *before > 0.0);
    if (is_there && normd_averaging_overwrites(averaging, update->step)) {
        memcpy(weights, average, bytes);
    }
}

void normd_average_count(const normd_model_update *update)
{
    const normd_model *model = update->model;
    double *count = averaged(model, update->new_slots);
    if (count != NULL &&
        normd_averaging_is_due(normd_optimizer_averaging(model->optimizer), update->step)) {
        *count += 1.0;
    }
}

bool normd_model_average(const normd_model *model, char *slots, char *parameters)
{
    const double *count = averaged(model, slots);
    if (count == NULL || *count == 0.0) {
        return false;
    }
    size_t slot = normd_optimizer_slot_of(model->optimizer, NORMD_SLOT_AVERAGE);
    const char *average = slots + slot * model->parameter_bytes;
    for (size_t i = 0; i < model->update_tiles; i++) {
        const normd_layer_tensor *tensor = model->update_tile[i].tensor;
        if (tensor->trainable) {
            size_t size = normd_dtype_size(tensor->dtype);
            size_t from = tensor->offset + model->update_tile[i].begin * size;
            memcpy(parameters + from, average + from, model->update_tile[i].count * size);
        }
    }
    return true;
}
