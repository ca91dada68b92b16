// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_OPTIMIZERS_LOOPS_H
#define NORMD_OPTIMIZERS_LOOPS_H

#include "lib/optimizers/optimizer.h"

/*
 * The element loops of all rules. A rule decides once a step, for each set of options, which loop
 * runs and with which coefficients; what differs between the frameworks' forms is in these numbers
 * where it can be, so that one loop serves both. With w a weight, g its gradient and a, b, c slots,
 * every loop begins with
 *
 *   g = g + l2 w;  w = shrink w
 *
 * which is weight decay within the gradient (PyTorch) or beside it (Keras, AdamW); 0 and 1 leave
 * both as they are. Coefficients are rounded to the element type first, as the frameworks do.
 */
typedef enum normd_loop {
    NORMD_LOOP_SGD,              /* w -= by_gradient g */
    NORMD_LOOP_MOMENTUM,         /* a = keep a + take g;  w -= by_gradient g + by_average a */
    NORMD_LOOP_ADAM,             /* a += take_1 (g - a);  b = keep_2 b + take_2 g g;
                                    w -= by_average a / (sqrt(b) + eps) */
    NORMD_LOOP_AMSGRAD,          /* the same with c = max(c, b) in the place of b */
    NORMD_LOOP_NADAM,            /* a, b as Adam;
                                    w -= (by_gradient g + by_average a) / (sqrt(b) + eps) */
    NORMD_LOOP_LION,             /* w -= by_gradient sign(keep_1 a + take_1 g);
                                    a = keep_2 a + take_2 g */
    NORMD_LOOP_ADAGRAD,          /* a += g g;  w -= by_gradient g / (sqrt(a + eps_inside) + eps) */
    NORMD_LOOP_RMSPROP,          /* a = keep_2 a + take_2 g g;  d = sqrt(a + eps_inside) + eps;
                                    w -= by_gradient g / d */
    NORMD_LOOP_RMSPROP_HEAVY,    /* b = keep b + by_gradient g / d;  w -= by_average b */
    NORMD_LOOP_RMSPROP_CENTERED, /* c = keep_2 c + take_2 g;  d = sqrt(a - c c + eps_inside) + eps
                                  */
    NORMD_LOOP_RMSPROP_CENTERED_HEAVY,
    NORMD_LOOP_COUNT
} normd_loop;

typedef struct normd_coefficients {
    normd_loop loop;
    double sign; /* of the gradient, before anything else: -1 climbs */
    double l2;
    double shrink;
    double keep, take; /* of a momentum buffer */
    double keep_1, take_1;
    double keep_2, take_2;
    double by_gradient;
    double by_average;
    double eps_inside;
    double eps;
} normd_coefficients;

/* Runs the loop over one piece. New weights must not overlap the old ones. */
void normd_loops_run(const normd_coefficients *coefficients, const normd_update *update);

/* out = clip(gradient, -limit, limit) factor, in the type; limit INFINITY: none. A gradient that is
   no number stays none. */
void normd_loops_scale(
    normd_dtype dtype, double limit, double factor, const void *gradient, void *out, size_t count);

#endif
