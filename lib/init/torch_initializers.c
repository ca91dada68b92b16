// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/init/arguments.h"

/* torch.nn.Linear: kaiming_uniform_(a = sqrt(5)) of the weight is uniform in +-1/sqrt(fan_in), and
   the bias takes the same bound. */
static void read_linear(normd_arguments *arguments, const normd_initializer_row *row)
{
    (void)row;
    double bound = 1.0 / sqrt(normd_argument_fan(arguments, NORMD_FAN_IN));
    normd_argument_seed(arguments);
    arguments->distribution = (normd_distribution){.kind = NORMD_UNIFORM, .a = -bound, .b = bound};
}

static void read_fixed(normd_arguments *arguments, const normd_initializer_row *row)
{
    arguments->distribution = (normd_distribution){.kind = NORMD_CONSTANT, .a = row->value};
}

static void read_constant(normd_arguments *arguments, const normd_initializer_row *row)
{
    (void)row;
    double value = normd_argument_number(arguments, "val", 0.0, -INFINITY);
    if (!normd_options_has(&arguments->options, "val")) {
        normd_options_fail(&arguments->options, "val", "expected a number, got nothing");
    }
    arguments->distribution = (normd_distribution){.kind = NORMD_CONSTANT, .a = value};
}

static void read_uniform(normd_arguments *arguments, const normd_initializer_row *row)
{
    (void)row;
    double least = normd_argument_number(arguments, "a", 0.0, -INFINITY);
    double most = normd_argument_number(arguments, "b", 1.0, -INFINITY);
    if (least > most) {
        normd_options_fail(
            &arguments->options, "b", "expected at least a, %g, got %g", least, most);
    }
    normd_argument_seed(arguments);
    arguments->distribution = (normd_distribution){.kind = NORMD_UNIFORM, .a = least, .b = most};
}

static void read_normal(normd_arguments *arguments, const normd_initializer_row *row)
{
    (void)row;
    double mean = normd_argument_number(arguments, "mean", 0.0, -INFINITY);
    double deviation = normd_argument_number(arguments, "std", 1.0, 0.0);
    normd_argument_seed(arguments);
    arguments->distribution = (normd_distribution){.kind = NORMD_NORMAL, .a = mean, .b = deviation};
}

/* Values are drawn until they are between the bounds; that takes long where these are rare. */
static void read_truncated_normal(normd_arguments *arguments, const normd_initializer_row *row)
{
    (void)row;
    const double least_share = 0.05;
    double mean = normd_argument_number(arguments, "mean", 0.0, -INFINITY);
    double deviation = normd_argument_number(arguments, "std", 1.0, 0.0);
    double low = (normd_argument_number(arguments, "a", -2.0, -INFINITY) - mean) / deviation;
    double high = (normd_argument_number(arguments, "b", 2.0, -INFINITY) - mean) / deviation;
    normd_argument_seed(arguments);
    double share = (erf(high * M_SQRT1_2) - erf(low * M_SQRT1_2)) / 2.0;
    if (deviation == 0.0) {
        normd_options_fail(&arguments->options, "std", "expected a number above 0, got 0");
    } else if (!(share >= least_share)) {
        normd_options_fail(&arguments->options, "b",
            "expected bounds a and b that hold at least %g of the normal distribution, got %g",
            least_share, fmax(0.0, share));
    }
    arguments->distribution = (normd_distribution){
        .kind = NORMD_TRUNCATED_NORMAL,
        .a = mean,
        .b = deviation,
        .low = low,
        .high = high,
    };
}

static normd_distribution spread(int scaled, double deviation)
{
    double limit = sqrt(3.0) * deviation;
    return scaled == NORMD_SCALED_UNIFORM
               ? (normd_distribution){.kind = NORMD_UNIFORM, .a = -limit, .b = limit}
               : (normd_distribution){.kind = NORMD_NORMAL, .b = deviation};
}

static void read_xavier(normd_arguments *arguments, const normd_initializer_row *row)
{
    double gain = normd_argument_number(arguments, "gain", 1.0, 0.0);
    normd_argument_seed(arguments);
    double fan = normd_argument_fan(arguments, NORMD_FAN_AVG);
    arguments->distribution = spread(row->scaled, gain / sqrt(fan));
}

/* torch.nn.init.calculate_gain; `slope` is leaky ReLU's. */
static double gain_of(int nonlinearity, double slope)
{
    const double gains[] = {
        sqrt(2.0 / (1.0 + slope * slope)), 1.0, 1.0, 5.0 / 3.0, sqrt(2.0), 0.75};
    return gains[nonlinearity];
}

static void read_kaiming(normd_arguments *arguments, const normd_initializer_row *row)
{
    static const char *const modes[] = {"fan_in", "fan_out", NULL};
    static const char *const nonlinearities[] = {
        "leaky_relu", "linear", "sigmoid", "tanh", "relu", "selu", NULL};
    double slope = normd_argument_number(arguments, "a", 0.0, -INFINITY);
    int mode = normd_argument_word(arguments, "mode", modes, NORMD_FAN_IN);
    int nonlinearity = normd_argument_word(arguments, "nonlinearity", nonlinearities, 0);
    normd_argument_seed(arguments);
    double fan = normd_argument_fan(arguments, mode);
    arguments->distribution = spread(row->scaled, gain_of(nonlinearity, slope) / sqrt(fan));
}

static void read_eye(normd_arguments *arguments, const normd_initializer_row *row)
{
    (void)row;
    arguments->filling = NORMD_FILL_IDENTITY;
    arguments->gain = 1.0;
    json_object_set_new(arguments->described, "gain", json_real(arguments->gain));
}

static void read_orthogonal(normd_arguments *arguments, const normd_initializer_row *row)
{
    (void)row;
    arguments->filling = NORMD_FILL_ORTHOGONAL;
    arguments->gain = normd_argument_number(arguments, "gain", 1.0, -INFINITY);
    normd_argument_seed(arguments);
}

const normd_initializer_row normd_torch_initializers[] = {
    {"torch_linear", NULL, read_linear, 0, 0, 0.0, 0, 0},
    {"uniform_", NULL, read_uniform, 0, 0, 0.0, 0, 0},
    {"normal_", NULL, read_normal, 0, 0, 0.0, 0, 0},
    {"trunc_normal_", NULL, read_truncated_normal, 0, 0, 0.0, 0, 0},
    {"xavier_uniform_", NULL, read_xavier, 2, 0, 0.0, 0, NORMD_SCALED_UNIFORM},
    {"xavier_normal_", NULL, read_xavier, 2, 0, 0.0, 0, NORMD_SCALED_NORMAL},
    {"kaiming_uniform_", NULL, read_kaiming, 2, 0, 0.0, 0, NORMD_SCALED_UNIFORM},
    {"kaiming_normal_", NULL, read_kaiming, 2, 0, 0.0, 0, NORMD_SCALED_NORMAL},
    {"constant_", NULL, read_constant, 0, 0, 0.0, 0, 0},
    /* These are what Keras' of the same kind are. */
    {"zeros_", "zeros", read_fixed, 0, 0, 0.0, 0, 0},
    {"ones_", "ones", read_fixed, 0, 0, 1.0, 0, 0},
    {"eye_", "identity", read_eye, 2, 2, 0.0, 0, 0},
    {"orthogonal_", "orthogonal", read_orthogonal, 2, 0, 0.0, 0, 0},
};

const size_t normd_torch_initializer_count =
    sizeof normd_torch_initializers / sizeof *normd_torch_initializers;
