// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "lib/model/pass.h"

typedef struct update_loop {
    const normd_model_update *update;
    atomic_bool broken;
} update_loop;

static bool finite(const normd_model *model, const void *values, size_t count)
{
    return model->propagates_nonfinite || model->compute.kernels->all_finite(values, count);
}

/* Changes one piece of one parameter. Slots are copied first and then changed in place, while they
   are in the cache, so that the old ones stay whole for whoever reads them. */
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
        .gradient = u->gradients + from,
        .new_weight = u->new_parameters + from,
    };
    for (size_t slot = 0; slot < u->model->slots; slot++) {
        size_t place = slot * u->model->parameter_bytes + from;
        memcpy(u->new_slots + place, u->slots + place, bytes);
        one.slot[slot] = u->new_slots + place;
    }
    if (!tile->tensor->trainable) {
        memcpy(one.new_weight, one.weight, bytes);
        return;
    }
    normd_optimizer_update(u->model->optimizer, &one);
    bool ok = finite(u->model, one.new_weight, tile->count);
    for (size_t slot = 0; slot < u->model->slots && ok; slot++) {
        ok = finite(u->model, one.slot[slot], tile->count);
    }
    if (!ok) {
        atomic_store_explicit(&loop->broken, true, memory_order_relaxed);
    }
}

bool normd_pass_update(const normd_model_update *update)
{
    const normd_model *model = update->model;
    update_loop loop = {.update = update};
    atomic_init(&loop.broken, false);
    normd_compute_tiles(
        &model->compute, model->parameter_values, model->update_tiles, update_tile, &loop);
    return !atomic_load_explicit(&loop.broken, memory_order_relaxed);
}
