// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/penalties/constraint.h"

static const double keras_epsilon = 1e-7;

/* What the values of a group with that norm are multiplied by. */
static double factor_of(const normd_constraint *constraint, double norm)
{
    double clipped = fmin(fmax(norm, constraint->least), constraint->most);
    double desired = constraint->rate * clipped + (1.0 - constraint->rate) * norm;
    if (constraint->kind == NORMD_CONSTRAINT_UNIT_NORM) {
        desired = 1.0;
    }
    return desired / (keras_epsilon + norm);
}

/* The place of value or group `index` among axes of those counts and strides. */
static size_t place_of(
    size_t index, uint32_t axes, const size_t counts[NORMD_MAX_RANK], const size_t *strides)
{
    size_t place = 0;
    for (uint32_t axis = axes; axis-- > 0;) {
        place += index % counts[axis] * strides[axis];
        index /= counts[axis];
    }
    return place;
}

/* A run: the values of a group along its fastest axis. */
#define CONSTRAINT_LOOPS(suffix, type)                                                             \
    static void hold_group_##suffix(const normd_constraint *by, type *group)                       \
    {                                                                                              \
        const uint32_t last = by->inside - 1;                                                      \
        const size_t run = by->inside_count[last], stride = by->inside_stride[last];               \
        double sum = 0;                                                                            \
        for (size_t first = 0; first < by->values; first += run) {                                 \
            const type *at =                                                                       \
                group + place_of(first, by->inside, by->inside_count, by->inside_stride);          \
            for (size_t i = 0; i < run; i++) {                                                     \
                sum += (double)at[i * stride] * (double)at[i * stride];                            \
            }                                                                                      \
        }                                                                                          \
        const double factor = factor_of(by, sqrt(sum));                                            \
        for (size_t first = 0; first < by->values; first += run) {                                 \
            type *at = group + place_of(first, by->inside, by->inside_count, by->inside_stride);   \
            for (size_t i = 0; i < run; i++) {                                                     \
                at[i * stride] = (type)((double)at[i * stride] * factor);                          \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static void hold_##suffix(const normd_constraint *by, type *values, size_t begin, size_t end)  \
    {                                                                                              \
        for (size_t group = begin; group < end; group++) {                                         \
            type *at =                                                                             \
                values + place_of(group, by->outside, by->outside_count, by->outside_stride);      \
            if (by->kind == NORMD_CONSTRAINT_NON_NEG) {                                            \
                *at = *at < 0 ? 0 : *at; /* NaN stays NaN */                                       \
            } else {                                                                               \
                hold_group_##suffix(by, at);                                                       \
            }                                                                                      \
        }                                                                                          \
    }

CONSTRAINT_LOOPS(f32, float)
CONSTRAINT_LOOPS(f64, double)

void normd_constraint_apply(
    const normd_constraint *constraint, normd_dtype dtype, void *values, size_t begin, size_t end)
{
    if (dtype == NORMD_F32) {
        hold_f32(constraint, values, begin, end);
    } else {
        hold_f64(constraint, values, begin, end);
    }
}
