// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/losses/elementwise.h"

/* With d = y - t: d^2 / 2 for |d| < delta, else delta (|d| - delta / 2): torch.nn.HuberLoss,
   keras.losses.Huber. */
static inline double huber(const normd_loss *loss, double y, double t, size_t column, double *slope)
{
    (void)column;
    double difference = y - t;
    double size = fabs(difference);
    if (size < loss->threshold) {
        *slope = difference;
        return 0.5 * difference * difference;
    }
    *slope = copysign(loss->threshold, difference);
    return loss->threshold * (size - 0.5 * loss->threshold);
}

NORMD_ELEMENTWISE_LOOPS(huber)

static void read(normd_loss *loss, normd_options *options, const normd_shape *output)
{
    (void)output;
    loss->threshold = normd_options_number(options, "delta", 1.0, 0.0, INFINITY);
    if (loss->threshold == 0.0) {
        normd_options_fail(options, "delta", "expected a number above 0, got 0");
    }
}

static bool describe(const normd_loss *loss, normd_convention convention, json_t *map)
{
    (void)convention;
    return json_object_set_new(map, "delta", json_real(loss->threshold)) == 0;
}

const normd_loss_kind normd_loss_huber = {
    .name = {"huber", "huber_loss"},
    .described = {"huber", "huber"},
    .metrics = NORMD_ELEMENTWISE_METRICS,
    .read = read,
    .describe = describe,
    .run = run,
};
