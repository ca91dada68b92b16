// SPDX-License-Identifier: Apache-2.0
#include "lib/losses/weights.h"

#include <stdlib.h>

#include "lib/init/given.h"

/* How many values stand there; 0 for what is neither a list nor a vector. */
static size_t count_of(const normd_options *options, const json_t *value)
{
    if (json_is_array(value)) {
        return json_array_size(value);
    }
    json_int_t index = json_integer_value(json_object_get(value, "$array"));
    const normd_attachments *attachments = options->attachments;
    if (attachments == NULL || index < 0 || (size_t)index >= attachments->count) {
        return 0;
    }
    const normd_shape *shape = &attachments->array[index].shape;
    return shape->rank == 1 ? shape->dim[0] : 0;
}

static void check_values(normd_options *options, const char *key, const normd_weights *weights)
{
    for (size_t i = 0; i < weights->count && options->error.status == NORMD_OK; i++) {
        if (weights->value[i] < 0.0) {
            normd_options_fail(options, key, "expected values of 0 or more, got %g at index %zu",
                weights->value[i], i);
        }
    }
}

/* The number of a class that is a key of a map; `expected` or more when it is none. */
static size_t class_of(const char *text, size_t expected)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    bool digits = *text >= '0' && *text <= '9' && *end == '\0';
    return digits && number < expected ? (size_t)number : expected;
}

/* Keras' {class: weight}; a class that is not there has weight 1. */
static void read_map(normd_options *options, const char *key, const json_t *map, size_t expected,
    normd_weights *weights)
{
    if (expected == 0 || expected > NORMD_WEIGHTS_MAX) {
        normd_options_fail(options, key,
            "expected a list or a vector where nothing tells the number of classes, got a map");
        return;
    }
    weights->value = malloc(expected * sizeof *weights->value);
    if (weights->value == NULL) {
        normd_error_no_memory(&options->error);
        return;
    }
    weights->count = expected;
    for (size_t i = 0; i < expected; i++) {
        weights->value[i] = 1.0;
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, name, value)
    {
        size_t number = class_of(name, expected);
        if (number == expected || !json_is_number(value)) {
            normd_options_fail(options, key,
                "expected numbers by their classes, 0 to %zu, got a value at \"%.32s\"",
                expected - 1, name);
            return;
        }
        weights->value[number] = json_number_value(value);
    }
    check_values(options, key, weights);
}

void normd_weights_read_map(
    normd_options *options, const char *key, size_t expected, normd_weights *weights)
{
    const json_t *value = normd_options_any(options, key);
    if (json_is_object(value) && !normd_given_is(value)) {
        *weights = (normd_weights){.value = NULL};
        read_map(options, key, value, expected, weights);
    } else {
        normd_weights_read(options, key, expected, false, weights);
    }
}

void normd_weights_read(
    normd_options *options, const char *key, size_t expected, bool scalars, normd_weights *weights)
{
    *weights = (normd_weights){.value = NULL};
    const json_t *value = normd_options_any(options, key);
    if (value == NULL || json_is_null(value)) {
        return;
    }
    weights->scalar = scalars && json_is_number(value);
    size_t count = weights->scalar ? 1 : normd_given_is(value) ? count_of(options, value) : 0;
    if (count == 0 || count > NORMD_WEIGHTS_MAX) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(options, key, "expected %sa list or a vector of 1 to %d numbers, got %s",
            scalars ? "a number, or " : "", NORMD_WEIGHTS_MAX,
            normd_options_show(value, got, sizeof got));
        return;
    }
    if (expected != 0 && !weights->scalar && count != expected) {
        normd_options_fail(options, key, "expected %zu values, got %zu", expected, count);
        return;
    }
    weights->value = malloc(count * sizeof *weights->value);
    if (weights->value == NULL) {
        normd_error_no_memory(&options->error);
        return;
    }
    weights->count = count;
    if (weights->scalar) {
        weights->value[0] = json_number_value(value);
    } else {
        normd_initializer_target target = {
            .dtype = NORMD_F64, .shape = {.rank = 1, .dim = {count}}, .values = weights->value};
        normd_given_read(options, key, value, &target);
    }
    check_values(options, key, weights);
}

void normd_weights_clear(normd_weights *weights)
{
    free(weights->value);
    *weights = (normd_weights){.value = NULL};
}

json_t *normd_weights_describe(const normd_weights *weights)
{
    if (weights->value == NULL) {
        return json_null();
    }
    if (weights->scalar) {
        return json_real(weights->value[0]);
    }
    json_t *list = json_array();
    for (size_t i = 0; i < weights->count && list != NULL; i++) {
        if (json_array_append_new(list, json_real(weights->value[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}
