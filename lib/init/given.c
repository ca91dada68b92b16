// SPDX-License-Identifier: Apache-2.0
#include "lib/init/given.h"

#include <math.h>
#include <string.h>

#include "lib/tensor/convert.h"

bool normd_given_is(const json_t *value)
{
    return json_is_array(value) || json_object_get(value, "$array") != NULL;
}

static size_t target_elements(const normd_initializer_target *target)
{
    normd_array view = {.dtype = target->dtype, .shape = target->shape};
    return normd_array_elements(&view);
}

/* Puts value n into the target's type; false when it is not finite there. */
static bool put(const normd_initializer_target *target, size_t n, double value)
{
    if (target->dtype == NORMD_F32) {
        float narrow = (float)value;
        if (target->values != NULL) {
            ((float *)target->values)[n] = narrow;
        }
        return isfinite(narrow);
    }
    if (target->values != NULL) {
        ((double *)target->values)[n] = value;
    }
    return isfinite(value);
}

/* The shape that an array must have. */
static normd_shape given_shape(const normd_initializer_target *target)
{
    normd_shape shape = target->shape;
    for (uint32_t axis = 0; target->transposed && axis < shape.rank; axis++) {
        shape.dim[axis] = target->shape.dim[shape.rank - 1 - axis];
    }
    return shape;
}

/* Where value n of an array belongs. */
static size_t place_of(const normd_initializer_target *target, size_t n)
{
    if (!target->transposed) {
        return n;
    }
    size_t rows = target->shape.dim[0];
    return n % rows * target->shape.dim[1] + n / rows;
}

static void fail_shape(normd_options *options, const char *key,
    const normd_initializer_target *target, const char *got, const char *got_shape)
{
    normd_shape shape = given_shape(target);
    char expected[NORMD_SHAPE_TEXT_BYTES];
    normd_options_fail(options, key, "expected an array of shape %s, got %s%s",
        normd_shape_format(&shape, expected, sizeof expected), got, got_shape);
}

static void read_list(normd_options *options, const char *key, const json_t *list,
    const normd_initializer_target *target)
{
    size_t count = target_elements(target);
    if (target->shape.rank != 1) {
        fail_shape(options, key, target, "a list; send an array", "");
        return;
    }
    if (json_array_size(list) != count) {
        normd_options_fail(
            options, key, "expected %zu values, got %zu", count, json_array_size(list));
        return;
    }
    for (size_t n = 0; n < count; n++) {
        const json_t *element = json_array_get(list, n);
        if (!json_is_number(element) || !put(target, n, json_number_value(element))) {
            char got[NORMD_OPTIONS_SHOW_BYTES];
            normd_options_fail(options, key, "expected a finite number at index %zu, got %s", n,
                normd_options_show(element, got, sizeof got));
            return;
        }
    }
}

static void read_array(normd_options *options, const char *key, const normd_array *array,
    const normd_initializer_target *target)
{
    size_t count = target_elements(target);
    normd_shape shape = given_shape(target);
    if (!normd_shape_equal(&shape, &array->shape)) {
        char got[NORMD_SHAPE_TEXT_BYTES];
        fail_shape(options, key, target, "one of shape ",
            normd_shape_format(&array->shape, got, sizeof got));
        return;
    }
    if (array->dtype == NORMD_BOOL) {
        normd_options_fail(options, key, "expected an array of numbers, got bool");
        return;
    }
    const unsigned char *from = array->data;
    size_t step = normd_dtype_size(array->dtype);
    for (size_t n = 0; n < count; n++) {
        double value;
        normd_convert_values(array->dtype, from + n * step, NORMD_F64, &value, 1);
        if (!put(target, place_of(target, n), value)) {
            normd_options_fail(
                options, key, "expected finite values, got %g at index %zu", value, n);
            return;
        }
    }
}

void normd_given_read(normd_options *options, const char *key, const json_t *value,
    const normd_initializer_target *target)
{
    if (json_is_array(value)) {
        read_list(options, key, value, target);
        return;
    }
    const json_t *reference = json_object_get(value, "$array");
    json_int_t index = json_integer_value(reference);
    const normd_attachments *attachments = options->attachments;
    if (!json_is_integer(reference) || json_object_size(value) != 1 || attachments == NULL ||
        index < 0 || (size_t)index >= attachments->count) {
        normd_options_fail(options, key, "expected an array, got a reference to none");
        return;
    }
    read_array(options, key, &attachments->array[index], target);
}
