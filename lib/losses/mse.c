// SPDX-License-Identifier: Apache-2.0
#include "lib/losses/elementwise.h"

/* (y - t)^2: torch.nn.MSELoss, keras.losses.MeanSquaredError. */
static inline double square(
    const normd_loss *loss, double y, double t, size_t column, double *slope)
{
    (void)loss;
    (void)column;
    *slope = 2.0 * (y - t);
    return (y - t) * (y - t);
}

NORMD_ELEMENTWISE_LOOPS(square)

const normd_loss_kind normd_loss_mse = {
    .name = {"mse", "mean_squared_error", "mse_loss"},
    .described = {"mse", "mean_squared_error"},
    .metrics = NORMD_ELEMENTWISE_METRICS,
    .run = run,
};
