// SPDX-License-Identifier: Apache-2.0
#include "lib/session/export_npz.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/exchange/npz.h"
#include "lib/session/keras_order.h"
#include "lib/tensor/permute.h"

enum { NAME_BYTES = 32 };
typedef char array_name[NAME_BYTES];

/* What the arrays of the file are put together from, while it is written. */
typedef struct archive {
    normd_keras_order order;
    normd_named_array *arrays;
    array_name *names;
    size_t count;
    char *turned; /* kernels in Keras' layout */
    size_t turned_bytes;
    int64_t iteration;
    union {
        float f32;
        double f64;
    } rate;
} archive;

static void add(archive *a, const char *prefix, size_t number, normd_array array)
{
    snprintf(a->names[a->count], NAME_BYTES, "%s%zu", prefix, number);
    a->arrays[a->count] = (normd_named_array){.name = a->names[a->count], .array = array};
    a->count++;
}

/* The bytes of what must be turned. */
static size_t turned_bytes(const normd_keras_order *order)
{
    size_t bytes = 0;
    for (size_t i = 0; i < order->weights + order->slots; i++) {
        const normd_layer_tensor *tensor = order->place[i].tensor;
        if (tensor->keras_axes != NULL) {
            bytes += tensor->elements * normd_dtype_size(tensor->dtype);
        }
    }
    return bytes;
}

static normd_array in_keras_layout(
    const normd_snapshot *snapshot, const normd_tensor_place *place, archive *a)
{
    normd_array array = normd_snapshot_tensor(snapshot, place);
    const uint8_t *axes = place->tensor->keras_axes;
    if (axes != NULL) {
        char *to = a->turned + a->turned_bytes;
        a->turned_bytes += normd_array_bytes(&array);
        normd_permute_values(&array.shape, axes, normd_dtype_size(array.dtype), array.data, to);
        array.shape = normd_permute_shape(&array.shape, axes);
        array.data = to;
    }
    return array;
}

static void add_scalars(archive *a, const normd_snapshot *snapshot)
{
    const normd_model *model = snapshot->model;
    json_t *optimizer = normd_optimizer_describe(model->optimizer, NORMD_KERAS);
    double rate = json_number_value(json_object_get(optimizer, "learning_rate"));
    json_decref(optimizer);
    a->iteration =
        (int64_t)normd_keras_iteration(model, normd_slab_data(snapshot->slots), snapshot->steps);
    bool f32 = model->compute.dtype == NORMD_F32;
    if (f32) {
        a->rate.f32 = (float)rate;
    } else {
        a->rate.f64 = rate;
    }
    add(a, NORMD_KERAS_OPTIMIZER_NAME, 0, (normd_array){.dtype = NORMD_I64, .data = &a->iteration});
    add(a, NORMD_KERAS_OPTIMIZER_NAME, 1,
        (normd_array){.dtype = model->compute.dtype, .data = &a->rate});
}

normd_status normd_snapshot_export_npz(
    const normd_snapshot *snapshot, bool optimizer, normd_buffer **file, normd_error *error)
{
    const normd_model *model = snapshot->model;
    archive a = {.count = 0};
    if (!normd_keras_order_make(model, &a.order)) {
        return normd_error_no_memory(error);
    }
    size_t most = a.order.weights + a.order.slots + NORMD_KERAS_OPTIMIZER_SCALARS;
    a.arrays = calloc(most, sizeof *a.arrays);
    a.names = calloc(most, sizeof *a.names);
    a.turned = malloc(turned_bytes(&a.order) + 1);
    normd_status status = NORMD_OK;
    if (a.arrays == NULL || a.names == NULL || a.turned == NULL) {
        status = normd_error_no_memory(error);
    } else {
        const normd_tensor_place *place = a.order.place;
        for (size_t i = 0; i < a.order.weights; i++) {
            add(&a, NORMD_KERAS_WEIGHT_NAME, i, in_keras_layout(snapshot, &place[i], &a));
        }
        if (optimizer) {
            add_scalars(&a, snapshot);
        }
        for (size_t i = 0; optimizer && i < a.order.slots; i++) {
            add(&a, NORMD_KERAS_OPTIMIZER_NAME, i + NORMD_KERAS_OPTIMIZER_SCALARS,
                in_keras_layout(snapshot, &place[a.order.weights + i], &a));
        }
        status = normd_npz_write(
            model->compute.buffers, a.arrays, a.count, model->limits.answer_bytes, file, error);
    }
    free(a.turned);
    free(a.names);
    free(a.arrays);
    normd_keras_order_free(&a.order);
    return status;
}
