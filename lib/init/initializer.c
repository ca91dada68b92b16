// SPDX-License-Identifier: Apache-2.0
#include "lib/init/initializer.h"

#include <stdio.h>
#include <string.h>

#include "lib/init/arguments.h"
#include "lib/init/given.h"
#include "lib/init/matrix.h"

enum { TABLES = 2 };

static const normd_initializer_row *table_of(size_t index, size_t *count)
{
    *count = index == 0 ? normd_keras_initializer_count : normd_torch_initializer_count;
    return index == 0 ? normd_keras_initializers : normd_torch_initializers;
}

/* Whether `given` is `name` in snake_case or in CamelCase. */
static bool name_matches(const char *name, const char *given)
{
    if (strcmp(name, given) == 0) {
        return true;
    }
    size_t length = strlen(name);
    if (name[length - 1] == '_') { /* torch's functions have no other spelling */
        return false;
    }
    bool upper = true; /* the next letter starts a word */
    for (; *name != '\0'; name++) {
        if (*name == '_') {
            upper = true;
            continue;
        }
        char expected = upper ? (char)(*name - 'a' + 'A') : *name;
        if (*given++ != expected) {
            return false;
        }
        upper = false;
    }
    return *given == '\0';
}

/* The names of all rows but those that are other names of one. */
static void list_names(char *list, size_t size)
{
    size_t used = 0;
    for (size_t t = 0; t < TABLES; t++) {
        size_t count;
        const normd_initializer_row *rows = table_of(t, &count);
        for (size_t i = 0; i < count && used < size; i++) {
            if (rows[i].shown == NULL) {
                const char *comma = used == 0 ? "" : ", ";
                used += (size_t)snprintf(list + used, size - used, "%s%s", comma, rows[i].name);
            }
        }
    }
}

/* The row that the argument "name" asks for, or NULL and a mistake. */
static const normd_initializer_row *find_row(normd_options *options)
{
    const char *name = normd_options_string(options, "name");
    for (size_t t = 0; t < TABLES && name != NULL; t++) {
        size_t count;
        const normd_initializer_row *rows = table_of(t, &count);
        for (size_t i = 0; i < count; i++) {
            if (name_matches(rows[i].name, name)) {
                return &rows[i];
            }
        }
    }
    char list[NORMD_OPTIONS_LIST_BYTES];
    list_names(list, sizeof list);
    char got[NORMD_OPTIONS_SHOW_BYTES] = "nothing";
    if (name != NULL) {
        normd_options_show_string(name, strlen(name), got, sizeof got);
    }
    normd_options_fail(options, "name", "expected one of %s, got %s", list, got);
    return NULL;
}

static void check_rank(normd_arguments *arguments, const normd_initializer_row *row)
{
    const normd_shape *shape = &arguments->target.shape;
    char text[NORMD_SHAPE_TEXT_BYTES];
    bool over = row->largest_rank != 0 && shape->rank > row->largest_rank;
    if (shape->rank < row->least_rank || over) {
        normd_options_fail(&arguments->options, "name",
            "expected an initializer of arrays of shape %s, got %s, of %u axes%s alone",
            normd_shape_format(shape, text, sizeof text), row->name, row->least_rank,
            row->largest_rank == 0 ? " or more" : "");
    }
}

/* Keras' serialized form, {"class_name": ..., "config": {...}}, as a map with a name. */
static json_t *deserialized(const json_t *value)
{
    static const char *const keys[] = {"class_name", "config", "module", "registered_name"};
    const json_t *config = json_object_get(value, "config");
    size_t known = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        known += json_object_get(value, keys[i]) != NULL;
    }
    bool ok = known == json_object_size(value) &&
              (config == NULL || json_is_null(config) || json_is_object(config));
    if (!ok) {
        return json_deep_copy(value); /* its keys are refused as they stand */
    }
    json_t *map = json_is_object(config) ? json_deep_copy(config) : json_object();
    json_object_set_new(map, "name", json_deep_copy(json_object_get(value, "class_name")));
    return map;
}

/* A new map for what stands at the option: a name, a number, a map already, or nothing. */
static json_t *arguments_map(const json_t *value, const char *otherwise)
{
    if (value == NULL) {
        return json_pack("{s:s}", "name", otherwise);
    }
    json_t *shared = (json_t *)(uintptr_t)value; /* only its count of references changes */
    if (json_is_string(value)) {
        return json_pack("{s:O}", "name", shared);
    }
    if (json_is_number(value)) {
        return json_pack("{s:s, s:O}", "name", "constant", "value", shared);
    }
    return json_object_get(value, "class_name") != NULL ? deserialized(value) : json_incref(shared);
}

static normd_status fill(const normd_arguments *arguments, normd_error *error)
{
    const normd_initializer_target *target = &arguments->target;
    normd_array view = {.dtype = target->dtype, .shape = target->shape};
    size_t elements = normd_array_elements(&view);
    size_t rows = target->shape.rank > 0 ? target->shape.dim[0] : 1;
    bool made = true;
    if (elements == 0) {
        return NORMD_OK;
    }
    switch (arguments->filling) {
    case NORMD_FILL_IDENTITY:
        normd_matrix_identity(
            arguments->gain, target->dtype, rows, elements / rows, target->values);
        break;
    case NORMD_FILL_ORTHOGONAL:
        made = normd_matrix_orthogonal(
            arguments->gain, &target->random, target->dtype, rows, elements / rows, target->values);
        break;
    case NORMD_FILL_DRAWN:
    default:
        normd_distribution_fill(&arguments->distribution, &target->random, target->dtype, elements,
            target->values, target->pool);
        break;
    }
    return made ? NORMD_OK : normd_error_no_memory(error);
}

/* Reads the arguments and, without a mistake, fills. */
static normd_status read_named(normd_arguments *arguments, normd_error *error)
{
    const normd_initializer_row *row = find_row(&arguments->options);
    if (row != NULL) {
        const char *shown = row->shown != NULL ? row->shown : row->name;
        json_object_set_new(arguments->described, "name", json_string(shown));
        check_rank(arguments, row);
        row->read(arguments, row);
    }
    normd_status status = normd_options_finish(&arguments->options, error);
    return status == NORMD_OK && arguments->target.values != NULL ? fill(arguments, error) : status;
}

void normd_initializer_read(normd_options *options, const char *key, const char *otherwise,
    const normd_initializer_target *target, json_t **described)
{
    const json_t *value = normd_options_any(options, key);
    json_t *shown = described == NULL ? NULL : json_object();
    if (described != NULL) {
        *described = NULL;
    }
    if (options->error.status != NORMD_OK) {
        json_decref(shown);
        return;
    }
    if (value != NULL && !json_is_string(value) && !json_is_number(value) &&
        !json_is_object(value) && !json_is_array(value)) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(options, key,
            "expected a name, a map with a name, a number or an array, got %s",
            normd_options_show(value, got, sizeof got));
    } else if (normd_given_is(value)) {
        json_object_set_new(shown, "name", json_string("array"));
        normd_given_read(options, key, value, target);
    } else {
        json_t *map = arguments_map(value, otherwise);
        normd_arguments arguments = {.target = *target, .described = shown};
        const char *dot = options->path[0] == '\0' ? "" : ".";
        normd_options_begin(&arguments.options, map, NULL, "%s%s%s", options->path, dot, key);
        normd_error error = {.status = NORMD_OK};
        if (map == NULL) {
            normd_error_no_memory(&options->error);
        } else if (read_named(&arguments, &error) != NORMD_OK) {
            options->error = error;
        }
        json_decref(map);
    }
    if (options->error.status == NORMD_OK && described != NULL) {
        *described = shown;
    } else {
        json_decref(shown);
    }
}

bool normd_initializer_is_array(const json_t *value)
{
    return normd_given_is(value);
}
