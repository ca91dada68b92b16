// SPDX-License-Identifier: Apache-2.0
#include "lib/init/given.h"

#include <math.h>
#include <string.h>

#include "lib/tensor/convert.h"
#include "lib/tensor/permute.h"

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

static void fail_shape(normd_options *options, const char *key,
    const normd_initializer_target *target, const char *got, const char *got_shape)
{
    normd_shape shape = normd_permute_shape(&target->shape, target->axes);
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
    normd_shape shape = normd_permute_shape(&target->shape, target->axes);
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
        if (!put(target, normd_permute_place(&target->shape, target->axes, n), value)) {
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
