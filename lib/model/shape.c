// SPDX-License-Identifier: Apache-2.0
#include "lib/model/configuration.h"

static normd_status check_input(const normd_model *model, const normd_shape *x, normd_error *error)
{
    if (model->input.rank == 0) {
        return NORMD_OK;
    }
    bool ok = x->rank == model->input.rank;
    for (uint32_t axis = 1; axis < x->rank && ok; axis++) {
        ok = model->input.dim[axis] == 0 || model->input.dim[axis] == x->dim[axis];
    }
    if (ok) {
        return NORMD_OK;
    }
    char expected[NORMD_SHAPE_TEXT_BYTES];
    char got[NORMD_SHAPE_TEXT_BYTES];
    normd_model_input_text(model, expected, sizeof expected);
    return normd_error_set(error, NORMD_BAD_SHAPE, "x: expected %s, got %s", expected,
        normd_shape_format(x, got, sizeof got));
}

normd_status normd_model_layer_shape(const normd_model *model, size_t index,
    const normd_shape *batch, const normd_shape *x, normd_shape *y, normd_error *error)
{
    const normd_layer *layer = model->layer[index];
    char expected[NORMD_SHAPE_TEXT_BYTES];
    char got[NORMD_SHAPE_TEXT_BYTES];
    size_t elements;
    expected[0] = '\0';
    if (!layer->operations->output_shape(layer, x, y, expected)) {
        normd_shape_format(x, got, sizeof got);
        if (normd_shape_equal(batch, x)) {
            return normd_error_set(error, NORMD_BAD_SHAPE, "x: expected %s, got %s", expected, got);
        }
        return normd_error_set(error, NORMD_BAD_SHAPE,
            "x: expected a shape that gives layers[%zu] an input of %s, got one that gives %s",
            index, expected, got);
    }
    if (!normd_shape_elements(y, &elements)) {
        return normd_error_set(error, NORMD_TOO_LARGE,
            "x: expected a batch whose activations fit in memory, got %s after layers[%zu]",
            normd_shape_format(y, got, sizeof got), index);
    }
    return NORMD_OK;
}

/* What is alive while a layer infers. The first one may not write over the caller's x. */
static size_t layer_bytes(
    const normd_model *model, size_t index, const normd_shape *x, const normd_shape *y)
{
    const normd_layer *layer = model->layer[index];
    normd_layer_need need;
    normd_layer_infer_need(layer, x, &need);
    size_t bytes = normd_bytes_add(normd_model_array_bytes(model, y), need.kept + need.scratch);
    bool over = layer->operations->in_place && index > 0;
    return over ? bytes : normd_bytes_add(bytes, normd_model_array_bytes(model, x));
}

normd_status normd_model_check_known(const normd_model *model, normd_error *error)
{
    if (!normd_model_is_lazy(model)) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "session: expected one whose features are known; layers[%zu] takes them from the first "
        "training batch, which has not come",
        model->first_lazy);
}

normd_status normd_model_output_shape(const normd_model *model, const normd_shape *x,
    normd_shape *y, size_t *inference_bytes, normd_error *error)
{
    normd_status status = normd_model_check_known(model, error);
    if (status == NORMD_OK) {
        status = check_input(model, x, error);
    }
    size_t most = 0;
    *y = *x;
    for (size_t i = 0; i < model->layers && status == NORMD_OK; i++) {
        normd_shape before = *y;
        status = normd_model_layer_shape(model, i, x, &before, y, error);
        if (status == NORMD_OK && inference_bytes != NULL) {
            size_t bytes = layer_bytes(model, i, &before, y);
            most = bytes > most ? bytes : most;
        }
    }
    if (inference_bytes != NULL) {
        *inference_bytes = most;
    }
    return status;
}

size_t normd_model_array_bytes(const normd_model *model, const normd_shape *shape)
{
    return normd_array_bytes(&(normd_array){.dtype = model->compute.dtype, .shape = *shape});
}

normd_status normd_model_check_answer(
    const normd_model *model, const normd_shape *y, normd_error *error)
{
    return normd_limit_check(model->limits.answer_bytes, normd_model_array_bytes(model, y),
        "x: expected a batch whose output is", "; send fewer rows", error);
}

normd_status normd_model_check_work(const normd_model *model, size_t bytes, normd_error *error)
{
    return normd_limit_check(model->limits.work_bytes, bytes,
        "x: expected a batch whose activations take", "; send fewer rows", error);
}

uint64_t normd_model_cost(const normd_model *model, const normd_shape *x)
{
    normd_shape shape = *x;
    uint64_t cost = 0;
    if (check_input(model, x, NULL) != NORMD_OK) {
        return UINT64_MAX;
    }
    for (size_t i = 0; i < model->layers; i++) {
        const normd_layer *layer = model->layer[i];
        normd_shape before = shape;
        if (normd_model_layer_shape(model, i, x, &before, &shape, NULL) != NORMD_OK ||
            __builtin_add_overflow(cost, layer->operations->cost(layer, &before), &cost)) {
            return UINT64_MAX;
        }
    }
    return cost;
}
