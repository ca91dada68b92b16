// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/norm_tensors.h"

normd_norm_tensors normd_norm_tensors_of(bool trainable)
{
    return (normd_norm_tensors){
        .gamma =
            {
                .name = "weight",
                .role = NORMD_ROLE_NORM_WEIGHT,
                .trainable = trainable,
                .init_name = {"weight_init", "gamma_initializer"},
                .init_default = "ones",
            },
        .beta =
            {
                .name = "bias",
                .role = NORMD_ROLE_NORM_BIAS,
                .trainable = trainable,
                .init_name = {"bias_init", "beta_initializer"},
                .init_default = "zeros",
            },
        .mean =
            {
                .name = "running_mean",
                .slab = NORMD_SLAB_STATISTICS,
                .init_name = {"running_mean_init", "moving_mean_initializer"},
                .init_default = "zeros",
            },
        .var =
            {
                .name = "running_var",
                .slab = NORMD_SLAB_STATISTICS,
                .not_negative = true,
                .init_name = {"running_var_init", "moving_variance_initializer"},
                .init_default = "ones",
            },
        .batches =
            {
                .name = "num_batches_tracked",
                .slab = NORMD_SLAB_STATISTICS,
                .not_negative = true,
                .optional = true, /* PyTorch's files have it since 0.4.1 */
                .dtype = NORMD_I64,
                .shape = {.rank = 0},
            },
    };
}
