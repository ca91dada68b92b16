// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/losses/elementwise.h"

/* |y - t|, whose derivative is taken as 0 at 0: torch.nn.L1Loss, keras.losses.MeanAbsoluteError. */
static inline double absolute(
    const normd_loss *loss, double y, double t, size_t column, double *slope)
{
    (void)loss;
    (void)column;
    double difference = y - t;
    *slope = difference > 0.0 ? 1.0 : difference < 0.0 ? -1.0 : 0.0;
    return fabs(difference);
}

NORMD_ELEMENTWISE_LOOPS(absolute)

const normd_loss_kind normd_loss_l1 = {
    .name = {"l1", "mae", "mean_absolute_error", "l1_loss"},
    .described = {"l1", "mean_absolute_error"},
    .metrics = NORMD_ELEMENTWISE_METRICS,
    .run = run,
};
