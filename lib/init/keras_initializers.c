// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/init/arguments.h"

static void read_fixed(normd_arguments *arguments, const normd_initializer_row *row)
{
    arguments->distribution = (normd_distribution){.kind = NORMD_CONSTANT, .a = row->value};
}

static void read_constant(normd_arguments *arguments, const normd_initializer_row *row)
{
    double value = normd_argument_number(arguments, "value", row->value, -INFINITY);
    arguments->distribution = (normd_distribution){.kind = NORMD_CONSTANT, .a = value};
}

static normd_distribution normal(int scaled, double mean, double deviation)
{
    bool truncated = scaled == NORMD_SCALED_TRUNCATED_NORMAL;
    return (normd_distribution){
        .kind = truncated ? NORMD_TRUNCATED_NORMAL : NORMD_NORMAL,
        .a = mean,
        .b = deviation,
        .low = -2.0,
        .high = 2.0,
    };
}

static void read_normal(normd_arguments *arguments, const normd_initializer_row *row)
{
    double mean = normd_argument_number(arguments, "mean", 0.0, -INFINITY);
    double deviation = normd_argument_number(arguments, "stddev", 0.05, 0.0);
    normd_argument_seed(arguments);
    arguments->distribution = normal(row->scaled, mean, deviation);
}

static void read_uniform(normd_arguments *arguments, const normd_initializer_row *row)
{
    (void)row;
    double least = normd_argument_number(arguments, "minval", -0.05, -INFINITY);
    double most = normd_argument_number(arguments, "maxval", 0.05, -INFINITY);
    if (least > most) {
        normd_options_fail(
            &arguments->options, "maxval", "expected at least minval, %g, got %g", least, most);
    }
    normd_argument_seed(arguments);
    arguments->distribution = (normd_distribution){.kind = NORMD_UNIFORM, .a = least, .b = most};
}

/* Values of the variance scale / fan. */
static normd_distribution scale_variance(double variance, int scaled)
{
    /* The deviation of a standard normal cut at +-2. */
    const double truncated_deviation = 0.87962566103423978;
    double deviation = sqrt(variance);
    switch (scaled) {
    case NORMD_SCALED_UNIFORM: {
        double limit = sqrt(3.0 * variance);
        return (normd_distribution){.kind = NORMD_UNIFORM, .a = -limit, .b = limit};
    }
    case NORMD_SCALED_NORMAL:
        return normal(scaled, 0.0, deviation);
    default:
        return normal(scaled, 0.0, deviation / truncated_deviation);
    }
}

/* Which axes are inputs and outputs is known of every array here. */
static void read_axes(normd_arguments *arguments)
{
    normd_argument_null(arguments, "input_axes");
    normd_argument_null(arguments, "output_axes");
}

static void read_scaled(normd_arguments *arguments, const normd_initializer_row *row)
{
    normd_argument_seed(arguments);
    read_axes(arguments);
    double variance = row->value / normd_argument_fan(arguments, row->mode);
    arguments->distribution = scale_variance(variance, row->scaled);
}

static void read_variance_scaling(normd_arguments *arguments, const normd_initializer_row *row)
{
    static const char *const modes[] = {"fan_in", "fan_out", "fan_avg", NULL};
    static const char *const kinds[] = {"truncated_normal", "untruncated_normal", "uniform", NULL};
    double scale = normd_argument_number(arguments, "scale", row->value, 0.0);
    if (scale == 0.0) {
        normd_options_fail(&arguments->options, "scale", "expected a number above 0, got 0");
    }
    int mode = normd_argument_word(arguments, "mode", modes, row->mode);
    int kind = normd_argument_word(arguments, "distribution", kinds, row->scaled);
    normd_argument_seed(arguments);
    read_axes(arguments);
    arguments->distribution = scale_variance(scale / normd_argument_fan(arguments, mode), kind);
}

static void read_identity(normd_arguments *arguments, const normd_initializer_row *row)
{
    (void)row;
    arguments->filling = NORMD_FILL_IDENTITY;
    arguments->gain = normd_argument_number(arguments, "gain", 1.0, -INFINITY);
}

static void read_orthogonal(normd_arguments *arguments, const normd_initializer_row *row)
{
    (void)row;
    arguments->filling = NORMD_FILL_ORTHOGONAL;
    arguments->gain = normd_argument_number(arguments, "gain", 1.0, -INFINITY);
    normd_argument_seed(arguments);
}

const normd_initializer_row normd_keras_initializers[] = {
    {"zeros", NULL, read_fixed, 0, 0, 0.0, 0, 0},
    {"ones", NULL, read_fixed, 0, 0, 1.0, 0, 0},
    {"constant", NULL, read_constant, 0, 0, 0.0, 0, 0},
    {"random_normal", NULL, read_normal, 0, 0, 0.0, 0, NORMD_SCALED_NORMAL},
    {"truncated_normal", NULL, read_normal, 0, 0, 0.0, 0, NORMD_SCALED_TRUNCATED_NORMAL},
    {"random_uniform", NULL, read_uniform, 0, 0, 0.0, 0, 0},
    {"variance_scaling", NULL, read_variance_scaling, 0, 0, 1.0, NORMD_FAN_IN,
        NORMD_SCALED_TRUNCATED_NORMAL},
    {"glorot_uniform", NULL, read_scaled, 0, 0, 1.0, NORMD_FAN_AVG, NORMD_SCALED_UNIFORM},
    {"glorot_normal", NULL, read_scaled, 0, 0, 1.0, NORMD_FAN_AVG, NORMD_SCALED_TRUNCATED_NORMAL},
    {"he_uniform", NULL, read_scaled, 0, 0, 2.0, NORMD_FAN_IN, NORMD_SCALED_UNIFORM},
    {"he_normal", NULL, read_scaled, 0, 0, 2.0, NORMD_FAN_IN, NORMD_SCALED_TRUNCATED_NORMAL},
    {"lecun_uniform", NULL, read_scaled, 0, 0, 1.0, NORMD_FAN_IN, NORMD_SCALED_UNIFORM},
    {"lecun_normal", NULL, read_scaled, 0, 0, 1.0, NORMD_FAN_IN, NORMD_SCALED_TRUNCATED_NORMAL},
    {"orthogonal", NULL, read_orthogonal, 2, 0, 0.0, 0, 0},
    {"identity", NULL, read_identity, 2, 2, 0.0, 0, 0},
    /* Keras' other names for some. */
    {"zero", "zeros", read_fixed, 0, 0, 0.0, 0, 0},
    {"one", "ones", read_fixed, 0, 0, 1.0, 0, 0},
    {"normal", "random_normal", read_normal, 0, 0, 0.0, 0, NORMD_SCALED_NORMAL},
    {"uniform", "random_uniform", read_uniform, 0, 0, 0.0, 0, 0},
    {"orthogonal_initializer", "orthogonal", read_orthogonal, 2, 0, 0.0, 0, 0},
    {"identity_initializer", "identity", read_identity, 2, 2, 0.0, 0, 0},
};

const size_t normd_keras_initializer_count =
    sizeof normd_keras_initializers / sizeof *normd_keras_initializers;
