// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "lib/model/accumulate.h"
#include "lib/model/average.h"
#include "lib/model/clip.h"
#include "lib/model/penalize.h"
#include "lib/optimizers/step.h"

/* Values that are copied, stepped and checked at one go, while they are in the first cache. */
enum { BLOCK = 1 << 10 };

typedef struct update_loop {
    const normd_model_update *update;
    const char *gradients;
    const double *factor; /* of each tile's gradients, or NULL */
    double limit;         /* of each value of a gradient */
    const normd_step *step;
    atomic_bool broken;
} update_loop;

/* Copies the rule's slots, which are then changed in place, so that the old ones stay whole for
   whoever reads them. */
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

static bool all_finite(const normd_model *model, const void *values, size_t count)
{
    return model->propagates_nonfinite || model->compute.kernels->all_finite(values, count);
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
            ok = all_finite(u->model, slot, count);
        }
    }
    return ok;
}

/* Changes `count` values that begin at byte `from` of the slab. */
static bool update_block(const update_loop *loop, const normd_coefficients *coefficients,
    double factor, size_t from, size_t count)
{
    const normd_model_update *u = loop->update;
    normd_dtype dtype = u->model->compute.dtype;
    size_t bytes = count * normd_dtype_size(dtype);
    _Alignas(NORMD_ALIGNMENT) double scaled[BLOCK]; /* or as many floats */
    normd_update one = {
        .dtype = dtype,
        .count = count,
        .weight = u->parameters + from,
        .gradient = loop->gradients + from,
        .new_weight = u->new_parameters + from,
    };
    if (factor != 1.0 || loop->limit < INFINITY) {
        normd_loops_scale(dtype, loop->limit, factor, one.gradient, scaled, count);
        one.gradient = scaled;
    }
    copy_slots(u, from, bytes, &one);
    normd_loops_run(coefficients, &one);
    normd_average_values(u, true, from, count);
    return finish_slots(u, from, count, bytes) && all_finite(u->model, one.new_weight, count);
}

/* A frozen parameter, and its slots, stay. */
static void copy_tile(const normd_model_update *u, size_t from, size_t count)
{
    size_t bytes = count * normd_dtype_size(u->model->compute.dtype);
    normd_update unused;
    copy_slots(u, from, bytes, &unused);
    memcpy(u->new_parameters + from, u->parameters + from, bytes);
    normd_average_values(u, false, from, count);
}

static void update_tile(void *argument, size_t index)
{
    update_loop *loop = argument;
    const normd_model_update *u = loop->update;
    const normd_update_tile *tile = &u->model->update_tile[index];
    size_t size = normd_dtype_size(tile->tensor->dtype);
    size_t from = tile->tensor->offset + tile->begin * size;
    if (!tile->tensor->trainable) {
        copy_tile(u, from, tile->count);
        return;
    }
    const normd_coefficients *coefficients = &loop->step->set[tile->set];
    double factor = coefficients->sign * (loop->factor == NULL ? 1.0 : loop->factor[index]);
    bool ok = true;
    for (size_t begin = 0; begin < tile->count && ok; begin += BLOCK) {
        size_t count = tile->count - begin < BLOCK ? tile->count - begin : BLOCK;
        ok = update_block(loop, coefficients, factor, from + begin * size, count);
    }
    if (!ok) {
        atomic_store_explicit(&loop->broken, true, memory_order_relaxed);
    }
}

static normd_status not_finite(const char *what, normd_error *error)
{
    return normd_error_set(error, NORMD_NOT_FINITE,
        "optimizer: expected a step to finite %s, got NaN or infinity in them", what);
}

normd_status normd_pass_accumulate(const normd_model_update *update, normd_error *error)
{
    if (!normd_accumulate(update)) {
        return not_finite("sums of gradients", error);
    }
    if (update->new_parameters != NULL) {
        memcpy(update->new_parameters, update->parameters, update->model->parameter_bytes);
        normd_model_constrain(update->model, update->new_parameters);
    }
    return NORMD_OK;
}

normd_status normd_pass_update(const normd_model_update *update, normd_error *error)
{
    const normd_model *model = update->model;
    update_loop loop = {.update = update, .limit = INFINITY};
    size_t scalars = model->slots * model->parameter_bytes;
    memcpy(update->new_slots + scalars, update->slots + scalars, model->slot_bytes - scalars);
    if (!normd_accumulate_mean(update, &loop.gradients)) {
        return not_finite("gradients", error);
    }
    normd_buffer *factors;
    normd_status status = normd_clip_factors(model, loop.gradients, &factors, error);
    if (status != NORMD_OK) {
        return status;
    }
    loop.factor = factors == NULL ? NULL : factors->data;
    const normd_clipping *clipping = normd_optimizer_clipping(model->optimizer);
    if (clipping->kind == NORMD_CLIP_VALUE) {
        loop.limit = clipping->most;
    }
    normd_step step; /* not within the loop's struct, which is cleared */
    normd_step_begin(
        model->optimizer, update->step, normd_model_scalars(model, update->new_slots), &step);
    loop.step = &step;
    atomic_init(&loop.broken, false);
    normd_compute_tiles(
        &model->compute, model->parameter_values, model->update_tiles, update_tile, &loop);
    normd_average_count(update);
    normd_buffer_release(factors);
    bool broken = atomic_load_explicit(&loop.broken, memory_order_relaxed);
    normd_model_constrain(model, update->new_parameters);
    return broken ? not_finite("parameters", error) : NORMD_OK;
}
