// SPDX-License-Identifier: Apache-2.0
#include "lib/penalties/constraint.h"

#include <math.h>

#include "lib/penalties/named.h"

/* In the order of normd_constraint_kind, without the first. */
static const char *const names[] = {"max_norm", "non_neg", "unit_norm", "min_max_norm", NULL};

static unsigned axis_bit(const json_t *value, uint32_t rank)
{
    json_int_t axis = json_is_integer(value) ? json_integer_value(value) : (json_int_t)rank;
    axis += axis < 0 ? (json_int_t)rank : 0;
    return axis >= 0 && axis < (json_int_t)rank ? 1U << axis : 0;
}

/* An axis or a list of some; 0 otherwise. */
static unsigned read_axes(const json_t *value, uint32_t rank)
{
    unsigned axes = 0;
    bool ok = true;
    for (size_t i = 0; i < json_array_size(value); i++) {
        unsigned bit = axis_bit(json_array_get(value, i), rank);
        ok = ok && bit != 0;
        axes |= bit;
    }
    if (json_is_array(value)) {
        return ok ? axes : 0;
    }
    return axis_bit(value, rank);
}

/* Where each axis of the array lies. */
static void lay_out(
    normd_constraint *constraint, const normd_shape *shape, const uint8_t *keras_axes)
{
    unsigned own = 0; /* bits of the array's own axes */
    for (uint32_t axis = 0; axis < shape->rank; axis++) {
        bool in = (constraint->axes >> axis & 1U) != 0;
        own |= in ? 1U << (keras_axes != NULL ? keras_axes[axis] : axis) : 0;
    }
    size_t stride = 1;
    constraint->groups = constraint->values = 1;
    for (uint32_t axis = shape->rank; axis-- > 0;) {
        constraint->inside += own >> axis & 1U;
        constraint->outside += (own >> axis & 1U) == 0;
    }
    for (uint32_t axis = shape->rank, in = constraint->inside, out = constraint->outside;
         axis-- > 0;) {
        if ((own >> axis & 1U) != 0) {
            constraint->inside_count[--in] = shape->dim[axis];
            constraint->inside_stride[in] = stride;
            constraint->values *= shape->dim[axis];
        } else {
            constraint->outside_count[--out] = shape->dim[axis];
            constraint->outside_stride[out] = stride;
            constraint->groups *= shape->dim[axis];
        }
        stride *= shape->dim[axis];
    }
}

static void read_arguments(normd_constraint *constraint, normd_options *arguments)
{
    bool range = constraint->kind == NORMD_CONSTRAINT_MIN_MAX_NORM;
    constraint->rate = 1.0;
    if (range) {
        constraint->least = normd_options_number(arguments, "min_value", 0.0, 0.0, INFINITY);
    }
    if (range || constraint->kind == NORMD_CONSTRAINT_MAX_NORM) {
        constraint->most =
            normd_options_number(arguments, "max_value", range ? 1.0 : 2.0, 0.0, INFINITY);
    }
    if (constraint->most < constraint->least) {
        normd_options_fail(arguments, "max_value",
            "expected a number from min_value, %g, on, got %g", constraint->least,
            constraint->most);
    }
    if (range) {
        constraint->rate = normd_options_number(arguments, "rate", 1.0, 0.0, 1.0);
    }
}

normd_constraint normd_constraint_read(
    normd_options *options, const char *key, const normd_shape *shape, const uint8_t *keras_axes)
{
    normd_constraint constraint = {.kind = NORMD_CONSTRAINT_NONE};
    normd_options arguments;
    int name = normd_named_begin(options, key, names, &arguments);
    if (name < 0) {
        return constraint;
    }
    constraint.kind = (normd_constraint_kind)(name + 1);
    read_arguments(&constraint, &arguments);
    if (constraint.kind != NORMD_CONSTRAINT_NON_NEG) {
        const json_t *axis = normd_options_any(&arguments, "axis");
        constraint.axes = axis == NULL ? 1U : read_axes(axis, shape->rank);
        if (constraint.axes == 0) {
            char got[NORMD_OPTIONS_SHOW_BYTES];
            normd_options_fail(&arguments, "axis",
                "expected an axis from %d to %d, or a list of some, got %s", -(int)shape->rank,
                (int)shape->rank - 1, normd_options_show(axis, got, sizeof got));
        }
    }
    normd_named_finish(options, &arguments);
    lay_out(&constraint, shape, keras_axes);
    return constraint;
}

static json_t *axes_of(const normd_constraint *constraint)
{
    json_t *list = json_array();
    for (int axis = 0; axis < NORMD_MAX_RANK; axis++) {
        if ((constraint->axes >> axis & 1U) != 0) {
            json_array_append_new(list, json_integer(axis));
        }
    }
    if (json_array_size(list) != 1) {
        return list;
    }
    json_t *only = json_incref(json_array_get(list, 0));
    json_decref(list);
    return only;
}

json_t *normd_constraint_describe(const normd_constraint *constraint)
{
    json_t *map = json_pack("{s:s}", "name", names[constraint->kind - 1]);
    bool range = constraint->kind == NORMD_CONSTRAINT_MIN_MAX_NORM;
    if (range) {
        json_object_set_new(map, "min_value", json_real(constraint->least));
    }
    if (range || constraint->kind == NORMD_CONSTRAINT_MAX_NORM) {
        json_object_set_new(map, "max_value", json_real(constraint->most));
    }
    if (range) {
        json_object_set_new(map, "rate", json_real(constraint->rate));
    }
    if (constraint->kind != NORMD_CONSTRAINT_NON_NEG) {
        json_object_set_new(map, "axis", axes_of(constraint));
    }
    return map;
}
