// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/losses/elementwise.h"

/* With d = y - t: d^2 / (2 beta) for |d| < beta, else |d| - beta / 2; beta 0 is L1:
   torch.nn.SmoothL1Loss. */
static inline double smooth(
    const normd_loss *loss, double y, double t, size_t column, double *slope)
{
    (void)column;
    double difference = y - t;
    double size = fabs(difference);
    if (size < loss->threshold) {
        *slope = difference / loss->threshold;
        return 0.5 * difference * difference / loss->threshold;
    }
    *slope = difference > 0.0 ? 1.0 : difference < 0.0 ? -1.0 : 0.0;
    return size - 0.5 * loss->threshold;
}

NORMD_ELEMENTWISE_LOOPS(smooth)

static void read(normd_loss *loss, normd_options *options, const normd_shape *output)
{
    (void)output;
    loss->threshold = normd_options_number(options, "beta", 1.0, 0.0, INFINITY);
}

static bool describe(const normd_loss *loss, normd_convention convention, json_t *map)
{
    (void)convention;
    return json_object_set_new(map, "beta", json_real(loss->threshold)) == 0;
}

const normd_loss_kind normd_loss_smooth_l1 = {
    .name = {"smooth_l1", "smooth_l1_loss"},
    .described = {"smooth_l1", "smooth_l1"},
    .metrics = NORMD_ELEMENTWISE_METRICS,
    .read = read,
    .describe = describe,
    .run = run,
};
