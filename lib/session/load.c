// SPDX-License-Identifier: Apache-2.0
#include "lib/session/load.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/session/tensor_names.h"
#include "lib/tensor/convert.h"

normd_status normd_load_number(const normd_safetensors *tensors, const char *key, uint64_t most,
    uint64_t *value, normd_error *error)
{
    const char *text = normd_safetensors_metadata(tensors, key);
    if (text == NULL) {
        return NORMD_OK;
    }
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number > most) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "data: expected a number from 0 to %" PRIu64
            " under \"%s\" in the metadata, got \"%.40s\"",
            most, key, text);
    }
    *value = number;
    return NORMD_OK;
}

static normd_status check_counts(
    const normd_layer_tensor *tensor, const char *name, const char *values, normd_error *error)
{
    for (size_t i = 0; i < tensor->elements; i++) {
        int64_t number;
        memcpy(&number, values + i * sizeof number, sizeof number);
        if (number < 0 || number > NORMD_MAX_COUNT) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "data: expected a number from 0 to %" PRId64 " in \"%s\", got %" PRId64,
                NORMD_MAX_COUNT, name, number);
        }
    }
    return NORMD_OK;
}

/* Values that the layer could never have reached by itself. */
static normd_status check_values(const normd_model *model, const normd_layer_tensor *tensor,
    const char *name, const char *values, normd_error *error)
{
    if (tensor->dtype == NORMD_I64) {
        return check_counts(tensor, name, values, error);
    }
    for (size_t i = 0; i < tensor->elements; i++) {
        double value = normd_value_load(tensor->dtype, values, i);
        if (!isfinite(value) && !model->propagates_nonfinite) {
            return normd_error_set(error, NORMD_NOT_FINITE,
                "data: expected finite values in \"%s\", got %g at position %zu", name, value, i);
        }
        if (value < 0.0 && tensor->not_negative) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "data: expected values of 0 or more in \"%s\", got %g at position %zu", name, value,
                i);
        }
    }
    return NORMD_OK;
}

normd_status normd_load_tensor(const normd_model *model, const normd_tensor_place *place,
    const char *name, const normd_array *array, char *to, normd_error *error)
{
    const normd_layer_tensor *tensor = place->tensor;
    char expected[NORMD_SHAPE_TEXT_BYTES];
    char got[NORMD_SHAPE_TEXT_BYTES];
    if (!normd_shape_equal(&array->shape, &tensor->shape)) {
        return normd_error_set(error, NORMD_BAD_SHAPE, "data: expected shape %s for \"%s\", got %s",
            normd_shape_format(&tensor->shape, expected, sizeof expected), name,
            normd_shape_format(&array->shape, got, sizeof got));
    }
    bool is_float = normd_dtype_is_float(tensor->dtype);
    if (is_float ? !normd_dtype_is_float(array->dtype) : array->dtype != tensor->dtype) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT, "data: expected %s for \"%s\", got %s",
            is_float ? "a float type" : normd_dtype_title(tensor->dtype), name,
            normd_dtype_title(array->dtype));
    }
    if (array->dtype == tensor->dtype) {
        memcpy(to, array->data, tensor->elements * normd_dtype_size(tensor->dtype));
    } else {
        normd_convert_values(array->dtype, array->data, tensor->dtype, to, tensor->elements);
    }
    if (place->is_slot) {
        normd_layer_tensor slot = *tensor;
        slot.not_negative = false;
        return check_values(model, &slot, name, to, error);
    }
    return check_values(model, tensor, name, to, error);
}

char *normd_load_target(
    const normd_model *model, const normd_tensor_place *place, const normd_change *change)
{
    bool parameter = place->tensor->slab == NORMD_SLAB_PARAMETERS;
    normd_slab *slab = place->is_slot ? change->slots
                       : parameter    ? change->parameters
                                      : change->statistics;
    return normd_slab_data(slab) + normd_tensor_offset(model, place);
}

/* Counts what a complete file holds at least. */
static void count_tensors(const normd_model *model, size_t *tensors, size_t *slots)
{
    normd_tensor_place place = {.layer = 0};
    *tensors = 0;
    *slots = 0;
    while (normd_tensor_next(model, &place)) {
        *(place.is_slot ? slots : tensors) += !place.tensor->optional;
    }
}

static normd_status missing(
    const normd_model *model, const normd_safetensors *tensors, bool slots, normd_error *error)
{
    normd_tensor_place place = {.layer = 0};
    char name[NORMD_TENSOR_NAME_BYTES] = "";
    normd_array array;
    while (normd_tensor_next(model, &place)) {
        normd_tensor_name(model, &place, name);
        if (place.is_slot == slots && !place.tensor->optional &&
            !normd_safetensors_find(tensors, name, &array)) {
            break;
        }
    }
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "data: expected a tensor \"%s\", which the file does not have", name);
}

static normd_status load_all(const normd_model *model, const normd_safetensors *tensors,
    const normd_change *change, bool *has_slots, normd_error *error)
{
    size_t loaded[2] = {0, 0};
    for (size_t i = 0; i < normd_safetensors_count(tensors); i++) {
        const char *name = normd_safetensors_name(tensors, i);
        normd_array array = normd_safetensors_array(tensors, i);
        normd_tensor_place place;
        if (!normd_tensor_locate(model, name, &place)) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "data: expected tensors of this session alone, got \"%.80s\"", name);
        }
        char *to = normd_load_target(model, &place, change);
        normd_status status = normd_load_tensor(model, &place, name, &array, to, error);
        if (status != NORMD_OK) {
            return status;
        }
        loaded[place.is_slot] += !place.tensor->optional;
    }
    size_t tensor_count;
    size_t slot_count;
    count_tensors(model, &tensor_count, &slot_count);
    if (loaded[0] < tensor_count) {
        return missing(model, tensors, false, error);
    }
    if (loaded[1] > 0 && loaded[1] < slot_count) {
        return missing(model, tensors, true, error);
    }
    *has_slots = loaded[1] == slot_count;
    return NORMD_OK;
}

normd_status normd_load_begin(normd_session *session, normd_change *change, normd_error *error)
{
    normd_status status = normd_model_check_known(session->model, error);
    if (status != NORMD_OK) {
        return status;
    }
    const normd_snapshot *base = session->current;
    change->parameters = normd_slab_take(session->parameter_shelf);
    change->statistics = normd_slab_take(session->statistic_shelf);
    change->slots = normd_slab_take(session->slot_shelf);
    change->steps = base->steps;
    if (change->parameters == NULL || change->statistics == NULL || change->slots == NULL) {
        normd_change_release(change);
        return normd_error_no_memory(error);
    }
    memcpy(normd_slab_data(change->statistics), normd_slab_data(base->statistics),
        session->model->statistic_bytes);
    memcpy(
        normd_slab_data(change->slots), normd_slab_data(base->slots), session->model->slot_bytes);
    return NORMD_OK;
}

normd_status normd_load_end(normd_change *change, normd_status status, bool has_slots)
{
    if (status != NORMD_OK) {
        normd_change_release(change);
    } else if (!has_slots) {
        normd_slab_release(change->slots);
        change->slots = NULL;
    }
    return status;
}

normd_status normd_session_load(normd_session *session, const normd_safetensors *tensors,
    normd_change *change, normd_error *error)
{
    bool has_slots = false;
    normd_status status = normd_load_begin(session, change, error);
    if (status != NORMD_OK) {
        return status;
    }
    status = load_all(session->model, tensors, change, &has_slots, error);
    if (status == NORMD_OK && has_slots) {
        status = normd_load_number(
            tensors, NORMD_METADATA_STEPS, NORMD_MAX_COUNT, &change->steps, error);
    }
    return normd_load_end(change, status, has_slots);
}
