// SPDX-License-Identifier: Apache-2.0
#include "lib/penalties/regularizer.h"

#include <math.h>

#include "lib/penalties/named.h"

enum { LANES = 8 }; /* sums that run side by side */

static const char *const names[] = {"l1", "l2", "l1_l2", NULL};
enum { L1, L2, L1_L2 };

normd_regularizer normd_regularizer_read(normd_options *options, const char *key)
{
    normd_regularizer regularizer = {.l1 = 0};
    const json_t *value = normd_options_any(options, key);
    if (json_is_number(value)) {
        regularizer.name = names[L2];
        regularizer.l2 = normd_options_number(options, key, 0.0, 0.0, INFINITY);
        return regularizer;
    }
    normd_options arguments;
    int name = normd_named_begin(options, key, names, &arguments);
    if (name < 0) {
        return regularizer;
    }
    double otherwise = name == L1_L2 ? 0.0 : 0.01;
    if (name != L2) {
        regularizer.l1 = normd_options_number(&arguments, "l1", otherwise, 0.0, INFINITY);
    }
    if (name != L1) {
        regularizer.l2 = normd_options_number(&arguments, "l2", otherwise, 0.0, INFINITY);
    }
    regularizer.name = names[name];
    normd_named_finish(options, &arguments);
    return regularizer;
}

json_t *normd_regularizer_describe(const normd_regularizer *regularizer)
{
    json_t *map = json_pack("{s:s}", "name", regularizer->name);
    if (regularizer->name != names[L2]) {
        json_object_set_new(map, "l1", json_real(regularizer->l1));
    }
    if (regularizer->name != names[L1]) {
        json_object_set_new(map, "l2", json_real(regularizer->l2));
    }
    return map;
}

static double merge(const double lane[LANES])
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

#define REGULARIZER_LOOPS(suffix, type)                                                            \
    static double value_##suffix(const normd_regularizer *by, const type *values, size_t count)    \
    {                                                                                              \
        double sizes[LANES] = {0}, squares[LANES] = {0};                                           \
        for (size_t from = 0; from < count; from += LANES) {                                       \
            size_t some = count - from < LANES ? count - from : LANES;                             \
            for (size_t lane = 0; lane < some; lane++) {                                           \
                double value = (double)values[from + lane];                                        \
                sizes[lane] += fabs(value);                                                        \
                squares[lane] += value * value;                                                    \
            }                                                                                      \
        }                                                                                          \
        return by->l1 * merge(sizes) + by->l2 * merge(squares);                                    \
    }                                                                                              \
    static void add_gradient_##suffix(                                                             \
        const normd_regularizer *by, const type *values, type *gradient, size_t count)             \
    {                                                                                              \
        const double l1 = by->l1, twice_l2 = 2 * by->l2;                                           \
        for (size_t i = 0; i < count; i++) {                                                       \
            double value = (double)values[i];                                                      \
            double sign = (double)((value > 0) - (value < 0));                                     \
            gradient[i] = (type)((double)gradient[i] + (l1 * sign + twice_l2 * value));            \
        }                                                                                          \
    }

REGULARIZER_LOOPS(f32, float)
REGULARIZER_LOOPS(f64, double)

double normd_regularizer_value(
    const normd_regularizer *regularizer, normd_dtype dtype, const void *values, size_t count)
{
    return dtype == NORMD_F32 ? value_f32(regularizer, values, count)
                              : value_f64(regularizer, values, count);
}

void normd_regularizer_add_gradient(const normd_regularizer *regularizer, normd_dtype dtype,
    const void *values, void *gradient, size_t count)
{
    if (dtype == NORMD_F32) {
        add_gradient_f32(regularizer, values, gradient, count);
    } else {
        add_gradient_f64(regularizer, values, gradient, count);
    }
}
