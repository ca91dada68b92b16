// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/session/keras_order.h"
#include "lib/session/load.h"
#include "lib/tensor/permute.h"

/* The longest header that NumPy writes for an array of ours, and more. */
enum { HEADER_BYTES = 4096, NAME_BYTES = 48 };

/* The array of that name, unpacked; never more bytes than a double for each value, and a header. */
static normd_status read_named(
    normd_npz *npz, const char *name, size_t elements, normd_array *array, normd_error *error)
{
    size_t index;
    if (!normd_npz_find(npz, name, &index)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "data: expected an array \"%s\", which the file does not have", name);
    }
    return normd_npz_read(npz, index, elements * sizeof(double) + HEADER_BYTES, array, error);
}

/* The array in the tensor's own layout, in `turned` where that is another one. */
static normd_status turn_back(const normd_layer_tensor *tensor, const char *name,
    normd_array *array, char **turned, normd_error *error)
{
    const uint8_t *axes = tensor->keras_axes;
    normd_shape shape = normd_permute_shape(&tensor->shape, axes);
    if (!normd_shape_equal(&array->shape, &shape)) {
        char expected[NORMD_SHAPE_TEXT_BYTES];
        char got[NORMD_SHAPE_TEXT_BYTES];
        return normd_error_set(error, NORMD_BAD_SHAPE, "data: expected shape %s for \"%s\", got %s",
            normd_shape_format(&shape, expected, sizeof expected), name,
            normd_shape_format(&array->shape, got, sizeof got));
    }
    if (axes == NULL) {
        return NORMD_OK;
    }
    *turned = malloc(normd_array_bytes(array) + 1);
    if (*turned == NULL) {
        return normd_error_no_memory(error);
    }
    normd_permute_back(&tensor->shape, axes, normd_dtype_size(array->dtype), array->data, *turned);
    array->data = *turned;
    array->shape = tensor->shape;
    return NORMD_OK;
}

static normd_status load_place(const normd_model *model, normd_npz *npz,
    const normd_tensor_place *place, const char *prefix, size_t number, const normd_change *change,
    normd_error *error)
{
    char file_name[NAME_BYTES];
    char own_name[NORMD_TENSOR_NAME_BYTES];
    char name[NAME_BYTES + NORMD_TENSOR_NAME_BYTES + 4];
    snprintf(file_name, sizeof file_name, "%s%zu", prefix, number);
    normd_tensor_name(model, place, own_name);
    snprintf(name, sizeof name, "%s (%s)", file_name, own_name);
    normd_array array;
    char *turned = NULL;
    normd_status status = read_named(npz, file_name, place->tensor->elements, &array, error);
    if (status == NORMD_OK) {
        status = turn_back(place->tensor, name, &array, &turned, error);
    }
    if (status == NORMD_OK) {
        char *to = normd_load_target(model, place, change);
        status = normd_load_tensor(model, place, name, &array, to, error);
    }
    free(turned);
    return status;
}

/* The optimizer's iteration, of any integer type: its steps, and the batches that wait. */
static normd_status load_iteration(
    const normd_model *model, normd_npz *npz, normd_change *change, normd_error *error)
{
    static const char name[] = NORMD_KERAS_OPTIMIZER_NAME "0";
    normd_array array;
    int64_t iteration = -1;
    normd_status status = read_named(npz, name, 1, &array, error);
    if (status != NORMD_OK) {
        return status;
    }
    bool known = array.shape.rank == 0 && (array.dtype == NORMD_I64 || array.dtype == NORMD_I32);
    if (known && array.dtype == NORMD_I64) {
        memcpy(&iteration, array.data, sizeof iteration);
    } else if (known) {
        int32_t narrow;
        memcpy(&narrow, array.data, sizeof narrow);
        iteration = narrow;
    }
    if (iteration < 0 || iteration > NORMD_MAX_COUNT) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "data: expected an int32 or int64 from 0 to %" PRId64 " as \"%s\" (iteration)",
            NORMD_MAX_COUNT, name);
    }
    change->steps = normd_keras_steps(model, normd_slab_data(change->slots), (uint64_t)iteration);
    return NORMD_OK;
}

/* Keras does not count what its averages are of. */
static void count_averages(const normd_model *model, const normd_change *change)
{
    size_t scalar = normd_optimizer_scalar_of(model->optimizer, NORMD_SCALAR_AVERAGED);
    if (scalar < model->scalars) {
        normd_model_scalars(model, normd_slab_data(change->slots))[scalar] =
            (double)normd_averaging_count(
                normd_optimizer_averaging(model->optimizer), change->steps);
    }
}

/* Whether the file has the weights alone, or the optimizer's variables as well. */
static normd_status check_count(
    const normd_npz *npz, const normd_keras_order *order, bool *has_slots, normd_error *error)
{
    size_t count = normd_npz_count(npz);
    size_t all = order->weights + order->slots + NORMD_KERAS_OPTIMIZER_SCALARS;
    *has_slots = count == all;
    if (count != order->weights && count != all) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "data: expected %zu arrays, %s0 to %s%zu (or %zu with the optimizer's variables), got "
            "%zu",
            order->weights, NORMD_KERAS_WEIGHT_NAME, NORMD_KERAS_WEIGHT_NAME,
            order->weights == 0 ? 0 : order->weights - 1, all, count);
    }
    return NORMD_OK;
}

static normd_status load_all(const normd_session *session, normd_npz *npz,
    const normd_keras_order *order, normd_change *change, bool has_slots, normd_error *error)
{
    const normd_model *model = session->model;
    normd_status status = NORMD_OK;
    for (size_t i = 0; i < order->weights && status == NORMD_OK; i++) {
        status =
            load_place(model, npz, &order->place[i], NORMD_KERAS_WEIGHT_NAME, i, change, error);
    }
    for (size_t i = 0; has_slots && i < order->slots && status == NORMD_OK; i++) {
        status = load_place(model, npz, &order->place[order->weights + i],
            NORMD_KERAS_OPTIMIZER_NAME, i + NORMD_KERAS_OPTIMIZER_SCALARS, change, error);
    }
    if (status == NORMD_OK && has_slots) {
        status = load_iteration(model, npz, change, error);
    }
    if (status == NORMD_OK && has_slots) {
        count_averages(model, change);
    }
    return status;
}

normd_status normd_session_load_npz(
    normd_session *session, normd_npz *npz, normd_change *change, normd_error *error)
{
    normd_keras_order order;
    bool has_slots = false;
    if (!normd_keras_order_make(session->model, &order)) {
        return normd_error_no_memory(error);
    }
    normd_status status = check_count(npz, &order, &has_slots, error);
    if (status == NORMD_OK) {
        status = normd_load_begin(session, change, error);
    }
    if (status == NORMD_OK) {
        status = load_all(session, npz, &order, change, has_slots, error);
        status = normd_load_end(change, status, has_slots);
    }
    normd_keras_order_free(&order);
    return status;
}
