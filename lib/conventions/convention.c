// SPDX-License-Identifier: Apache-2.0
#include "lib/conventions/convention.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static const normd_convention_facts facts[NORMD_CONVENTION_COUNT] = {
    [NORMD_PYTORCH] =
        {
            .name = "pytorch",
            .axis = 1,
            .eps = 1e-5,
            .momentum = 0.1,
            .momentum_keeps = false,
            .running_unbiased = true,
            .single_value_allowed = false,
            .virtual_strided = false,
            .renorm_momentum = 0.01,
            .mask_epsilon = 0,
            .weight_name = "weight",
            .bias_name = "bias",
            .running_mean_name = "running_mean",
            .running_var_name = "running_var",
            .running_std_name = "running_std",
            .renorm_std_name = "renorm_std",
            .linear_weight_init = "torch_linear",
            .linear_bias_init = "torch_linear",
        },
    [NORMD_KERAS] =
        {
            .name = "keras",
            .axis = -1,
            .eps = 1e-3,
            .momentum = 0.99,
            .momentum_keeps = true,
            .running_unbiased = false,
            .single_value_allowed = true,
            .virtual_strided = true,
            .renorm_momentum = 0.99,
            .mask_epsilon = 1e-7,
            .weight_name = "gamma",
            .bias_name = "beta",
            .running_mean_name = "moving_mean",
            .running_var_name = "moving_variance",
            .running_std_name = "moving_stddev",
            .renorm_std_name = "renorm_stddev",
            .linear_weight_init = "glorot_uniform",
            .linear_bias_init = "zeros",
        },
};

const normd_convention_facts *normd_convention_facts_of(normd_convention convention)
{
    assert(convention < NORMD_CONVENTION_COUNT);
    return &facts[convention];
}

static double decimal_complement(double momentum)
{
    char text[32];
    snprintf(text, sizeof text, "%.15g", 1.0 - momentum);
    return strtod(text, NULL);
}

double normd_convention_complement(double momentum)
{
    double complement = decimal_complement(momentum);
    return decimal_complement(complement) == momentum ? complement : 1.0 - momentum;
}
