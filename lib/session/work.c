// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "lib/session/session_state.h"
#include "lib/tensor/convert.h"

/* The least recently used one makes room. */
normd_status normd_session_plan(
    normd_session *session, const normd_shape *x, normd_plan **plan, normd_error *error)
{
    size_t place = 0;
    for (size_t i = 0; i < NORMD_SESSION_PLANS; i++) {
        normd_plan *kept = session->plan[i];
        if (kept != NULL && normd_shape_equal(&kept->x_shape, x)) {
            kept->used = ++session->plan_clock;
            kept->references++;
            *plan = kept;
            return NORMD_OK;
        }
        if (session->plan[place] != NULL &&
            (kept == NULL || kept->used < session->plan[place]->used)) {
            place = i;
        }
    }
    normd_status status = normd_plan_create(session->model, x, plan, error);
    if (status == NORMD_OK) {
        normd_plan_release(session->plan[place]);
        (*plan)->used = ++session->plan_clock;
        (*plan)->references++;
        session->plan[place] = *plan;
    }
    return status;
}

/* Memory of the whole mutation; the gradients begin in the output's place. */
static normd_status check_limits(
    const normd_model *model, const normd_plan *plan, normd_work_kind kind, normd_error *error)
{
    const normd_shape *y = normd_plan_output(plan);
    size_t bytes = normd_bytes_add(plan->arena_bytes, plan->scratch_bytes);
    bytes = normd_bytes_add(bytes, normd_model_array_bytes(model, &plan->x_shape));
    normd_status status = NORMD_OK;
    if (kind == NORMD_WORK_TRAIN) {
        bytes = normd_bytes_add(bytes, plan->gradient_bytes);
        bytes = normd_bytes_add(bytes, normd_loss_bytes(model->loss, &model->compute, y));
    } else {
        bytes = normd_bytes_add(bytes, normd_model_array_bytes(model, y));
        status = normd_model_check_answer(model, y, error);
    }
    return status == NORMD_OK ? normd_model_check_work(model, bytes, error) : status;
}

static normd_status take_memory(normd_work *work, bool update_stats, normd_error *error)
{
    normd_session *session = work->session;
    const normd_model *model = session->model;
    normd_buffer_cache *buffers = model->compute.buffers;
    work->arena = normd_buffer_take(buffers, work->plan->arena_bytes);
    work->scratch = normd_buffer_take(buffers, work->plan->scratch_bytes);
    if (work->arena == NULL || work->scratch == NULL) {
        return normd_error_no_memory(error);
    }
    if (update_stats) {
        work->new_statistics = normd_slab_take(session->statistic_shelf);
        if (work->new_statistics == NULL) {
            return normd_error_no_memory(error);
        }
        memcpy(normd_slab_data(work->new_statistics), normd_slab_data(session->current->statistics),
            model->statistic_bytes);
    }
    return normd_tensor_take(
        buffers, model->compute.dtype, normd_plan_output(work->plan), &work->y, error);
}

normd_status normd_work_begin(normd_work *work, normd_session *session, normd_work_kind kind,
    const normd_shape *x, bool update_stats, normd_error *error)
{
    *work = (normd_work){.session = session};
    normd_status status = normd_session_plan(session, x, &work->plan, error);
    if (status == NORMD_OK) {
        status = check_limits(session->model, work->plan, kind, error);
    }
    if (status == NORMD_OK) {
        status = take_memory(work, update_stats, error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    const normd_snapshot *base = session->current;
    work->pass = (normd_pass){
        .model = session->model,
        .plan = work->plan,
        .parameters = normd_slab_data(base->parameters),
        .statistics = normd_slab_data(base->statistics),
        .derived = base->derived,
        .new_statistics = update_stats ? normd_slab_data(work->new_statistics) : NULL,
        .arena = work->arena->data,
        .scratch = work->scratch->data,
    };
    return NORMD_OK;
}

bool normd_work_usable(const normd_model *model, const normd_array *array)
{
    normd_dtype dtype = model->compute.dtype;
    return array->dtype == dtype && (uintptr_t)array->data % normd_dtype_size(dtype) == 0;
}

normd_status normd_work_convert(const normd_model *model, const char *field,
    const normd_array *array, normd_buffer **buffer, normd_error *error)
{
    if (!normd_dtype_is_float(array->dtype)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s: expected float16, float32 or float64 values, got %s", field,
            normd_dtype_title(array->dtype));
    }
    size_t count = normd_array_elements(array);
    normd_dtype dtype = model->compute.dtype;
    *buffer = normd_buffer_take(model->compute.buffers, count * normd_dtype_size(dtype));
    if (*buffer == NULL) {
        return normd_error_no_memory(error);
    }
    normd_convert_values(array->dtype, array->data, dtype, (*buffer)->data, count);
    return NORMD_OK;
}

normd_status normd_work_input(normd_work *work, const normd_array *x, normd_error *error)
{
    work->pass.x = x->data;
    if (normd_work_usable(work->session->model, x)) {
        return NORMD_OK;
    }
    normd_status status = normd_work_convert(work->session->model, "x", x, &work->x, error);
    if (status == NORMD_OK) {
        work->pass.x = work->x->data;
    }
    return status;
}

normd_status normd_work_check_mask(
    const normd_model *model, const normd_array *mask, size_t *positions, normd_error *error)
{
    bool used = false;
    for (size_t i = 0; i < model->layers; i++) {
        used |= model->layer[i]->operations->takes_mask;
    }
    if (!used) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "mask: expected a session with a batch_norm layer, got one without");
    }
    if (mask->dtype != NORMD_BOOL) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT, "mask: expected bool values, got %s",
            normd_dtype_title(mask->dtype));
    }
    const uint8_t *valid = mask->data;
    size_t count = normd_array_elements(mask);
    *positions = 0;
    for (size_t i = 0; i < count; i++) {
        *positions += valid[i] != 0;
    }
    if (*positions == 0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "mask: expected at least one valid position, got none in %zu", count);
    }
    return NORMD_OK;
}

normd_status normd_work_mask(normd_work *work, const normd_array *mask, normd_error *error)
{
    const normd_model *model = work->session->model;
    normd_status status = normd_work_check_mask(model, mask, &work->pass.positions, error);
    if (status != NORMD_OK) {
        return status;
    }
    size_t bytes = normd_array_elements(mask);
    work->mask = normd_buffer_take(model->compute.buffers, bytes);
    if (work->mask == NULL) {
        return normd_error_no_memory(error);
    }
    memcpy(work->mask->data, mask->data, bytes);
    work->pass.mask = work->mask->data;
    work->pass.mask_shape = mask->shape;
    return NORMD_OK;
}

normd_status normd_work_forward(normd_work *work, normd_error *error)
{
    const normd_model *model = work->session->model;
    size_t count = 0;
    bool fits = normd_shape_elements(&work->plan->x_shape, &count);
    bool check = !model->first_checks && !model->propagates_nonfinite;
    if (fits && check && !normd_compute_all_finite(&model->compute, work->pass.x, count)) {
        return normd_error_set(
            error, NORMD_NOT_FINITE, "x: expected finite values, got NaN or infinity");
    }
    return normd_pass_forward(&work->pass, work->y.array.data, error);
}

normd_status normd_work_check_loss(const normd_model *model, normd_error *error)
{
    if (model->loss == NULL) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "loss: expected a session created with a loss to train or evaluate, got one without");
    }
    return NORMD_OK;
}

void normd_work_end(normd_work *work)
{
    normd_plan_release(work->plan);
    normd_buffer_release(work->x);
    normd_buffer_release(work->arena);
    normd_buffer_release(work->scratch);
    normd_buffer_release(work->mask);
    normd_tensor_release(&work->y);
    normd_slab_release(work->new_statistics);
    *work = (normd_work){.session = NULL};
}
