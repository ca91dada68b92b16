// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/loops.h"

#include <math.h>

#define REAL float
#define LOOP(name) name##_f32
#define SQRT sqrtf
#include "lib/optimizers/loops_body.h"
#undef REAL
#undef LOOP
#undef SQRT

#define REAL double
#define LOOP(name) name##_f64
#define SQRT sqrt
#include "lib/optimizers/loops_body.h"
#undef REAL
#undef LOOP
#undef SQRT

void normd_loops_run(const normd_coefficients *coefficients, const normd_update *update)
{
    if (update->dtype == NORMD_F32) {
        run_f32(coefficients, update);
    } else {
        run_f64(coefficients, update);
    }
}

void normd_loops_scale(
    normd_dtype dtype, double limit, double factor, const void *gradient, void *out, size_t count)
{
    if (dtype == NORMD_F32) {
        scale_f32(limit, factor, gradient, out, count);
    } else {
        scale_f64(limit, factor, gradient, out, count);
    }
}
