// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "lib/model/accumulate.h"

/* The gradients of some batches make one step: their sum waits in a slot, so that it is part of the
   state. Padding is zero and stays so, which lets a slab be one array. */
typedef struct sum_loop {
    const normd_model *model;
    const char *sum;
    const char *gradients;
    char *to;
    double divisor;
    atomic_bool broken;
} sum_loop;

/* to = (sum + gradient) / divisor */
static void add_f32(const sum_loop *loop, size_t from, size_t bytes)
{
    const float *sum = (const float *)(const void *)(loop->sum + from);
    const float *gradient = (const float *)(const void *)(loop->gradients + from);
    float *to = (float *)(void *)(loop->to + from);
    const float divisor = (float)loop->divisor;
    for (size_t i = 0; i < bytes / sizeof *to; i++) {
        to[i] = (gradient[i] + sum[i]) / divisor;
    }
}

static void add_f64(const sum_loop *loop, size_t from, size_t bytes)
{
    const double *sum = (const double *)(const void *)(loop->sum + from);
    const double *gradient = (const double *)(const void *)(loop->gradients + from);
    double *to = (double *)(void *)(loop->to + from);
    const double divisor = loop->divisor;
    for (size_t i = 0; i < bytes / sizeof *to; i++) {
        to[i] = (gradient[i] + sum[i]) / divisor;
    }
}

static void add_piece(void *argument, size_t index)
{
    sum_loop *loop = argument;
    const normd_compute *compute = &loop->model->compute;
    size_t size = compute->kernels->element_bytes;
    size_t from = index * NORMD_UPDATE_TILE * size;
    size_t left = loop->model->parameter_bytes - from;
    size_t bytes = left < NORMD_UPDATE_TILE * size ? left : NORMD_UPDATE_TILE * size;
    (compute->dtype == NORMD_F32 ? add_f32 : add_f64)(loop, from, bytes);
    if (!loop->model->propagates_nonfinite &&
        !compute->kernels->all_finite(loop->to + from, bytes / size)) {
        atomic_store_explicit(&loop->broken, true, memory_order_relaxed);
    }
}

/* Writes the sum of the accumulator and the gradients, divided, into the new accumulator. */
static bool add_gradients(const normd_model_update *update, double divisor)
{
    const normd_model *model = update->model;
    size_t slot = normd_optimizer_slot_of(model->optimizer, NORMD_SLOT_ACCUMULATOR);
    size_t offset = slot * model->parameter_bytes;
    sum_loop loop = {
        .model = model,
        .sum = update->slots + offset,
        .gradients = update->gradients,
        .to = update->new_slots + offset,
        .divisor = divisor,
    };
    atomic_init(&loop.broken, false);
    size_t piece = NORMD_UPDATE_TILE * model->compute.kernels->element_bytes;
    size_t pieces = model->parameter_bytes / piece + (model->parameter_bytes % piece != 0);
    normd_compute_tiles(&model->compute, model->parameter_values, pieces, add_piece, &loop);
    return !atomic_load_explicit(&loop.broken, memory_order_relaxed);
}

bool normd_accumulate(const normd_model_update *update)
{
    const normd_model *model = update->model;
    size_t accumulator = normd_optimizer_slot_of(model->optimizer, NORMD_SLOT_ACCUMULATOR);
    for (size_t slot = 0; slot < model->slots; slot++) {
        size_t place = slot * model->parameter_bytes;
        if (slot != accumulator) {
            memcpy(update->new_slots + place, update->slots + place, model->parameter_bytes);
        }
    }
    double *scalars = normd_model_scalars(model, update->new_slots);
    size_t bytes = model->slot_bytes - model->slots * model->parameter_bytes;
    memcpy(scalars, update->slots + model->slots * model->parameter_bytes, bytes);
    scalars[normd_optimizer_scalar_of(model->optimizer, NORMD_SCALAR_ACCUMULATED)] += 1.0;
    return add_gradients(update, 1.0);
}

bool normd_accumulate_mean(const normd_model_update *update, const char **gradients)
{
    const normd_model *model = update->model;
    *gradients = update->gradients;
    if (normd_optimizer_accumulate_steps(model->optimizer) == 1) {
        return true;
    }
    size_t slot = normd_optimizer_slot_of(model->optimizer, NORMD_SLOT_ACCUMULATOR);
    *gradients = update->new_slots + slot * model->parameter_bytes;
    double *waiting = normd_model_scalars(model, update->new_slots) +
                      normd_optimizer_scalar_of(model->optimizer, NORMD_SCALAR_ACCUMULATED);
    double batches = *waiting + 1.0;
    *waiting = 0.0;
    return add_gradients(update, batches);
}
