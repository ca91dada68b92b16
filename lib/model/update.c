// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "lib/model/accumulate.h"

typedef struct update_loop {
    const normd_model_update *update;
    const char *gradients;
    atomic_bool broken;
} update_loop;

static bool finite(const normd_model *model, const void *values, size_t count)
{
    return model->propagates_nonfinite || model->compute.kernels->all_finite(values, count);
}

/* Copies the rule's slots, which are then changed in place while they are in the cache, so that the
   old ones stay whole for whoever reads them. */
static void copy_slots(const normd_model_update *u, size_t from, size_t bytes, normd_update *one)
{
    for (size_t i = 0; i < u->model->slots; i++) {
        const normd_slot *slot = normd_optimizer_slot(u->model->optimizer, i);
        size_t place = i * u->model->parameter_bytes + from;
        if (slot->use == NORMD_SLOT_RULE) {
            memcpy(u->new_slots + place, u->slots + place, bytes);
            one->slot[slot->number] = u->new_slots + place;
        }
    }
}

/* Clears the accumulator, which the step has used up, and checks the other slots. */
static bool finish_slots(const normd_model_update *u, size_t from, size_t count, size_t bytes)
{
    bool ok = true;
    for (size_t i = 0; i < u->model->slots && ok; i++) {
        char *slot = u->new_slots + i * u->model->parameter_bytes + from;
        if (normd_optimizer_slot(u->model->optimizer, i)->use == NORMD_SLOT_ACCUMULATOR) {
            memset(slot, 0, bytes);
        } else {
            ok = finite(u->model, slot, count);
        }
    }
    return ok;
}

/* Changes one piece of one parameter. */
static void update_tile(void *argument, size_t index)
{
    update_loop *loop = argument;
    const normd_model_update *u = loop->update;
    const normd_update_tile *tile = &u->model->update_tile[index];
    size_t size = normd_dtype_size(tile->tensor->dtype);
    size_t from = tile->tensor->offset + tile->begin * size;
    size_t bytes = tile->count * size;
    normd_update one = {
        .dtype = tile->tensor->dtype,
        .role = tile->tensor->role,
        .step = u->step,
        .count = tile->count,
        .weight = u->parameters + from,
        .gradient = loop->gradients + from,
        .new_weight = u->new_parameters + from,
    };
    copy_slots(u, from, bytes, &one);
    if (!tile->tensor->trainable) {
        memcpy(one.new_weight, one.weight, bytes);
        return;
    }
    normd_optimizer_update(u->model->optimizer, &one);
    if (!finish_slots(u, from, tile->count, bytes) ||
        !finite(u->model, one.new_weight, tile->count)) {
        atomic_store_explicit(&loop->broken, true, memory_order_relaxed);
    }
}

bool normd_pass_update(const normd_model_update *update)
{
    const normd_model *model = update->model;
    update_loop loop = {.update = update};
    size_t scalars = model->slots * model->parameter_bytes;
    memcpy(update->new_slots + scalars, update->slots + scalars, model->slot_bytes - scalars);
    if (!normd_accumulate_mean(update, &loop.gradients)) {
        return false;
    }
    atomic_init(&loop.broken, false);
    normd_compute_tiles(
        &model->compute, model->parameter_values, model->update_tiles, update_tile, &loop);
    return !atomic_load_explicit(&loop.broken, memory_order_relaxed);
}
