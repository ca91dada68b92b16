// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <math.h>

#include "lib/kernels/element.h"

/* Not 0 where the value is not finite. As wide as a double, so that the loops become vector code.
 */
static inline int64_t is_broken(double value)
{
    return (int64_t)(value - value != 0);
}

/* The mean in two parts, and gamma / sqrt(variance + eps). */
static bool settle_normalizer(const normd_settling *by, size_t begin, size_t end)
{
    const double *restrict mean = by->moments->mean, *restrict mean_low = by->moments->mean_low;
    const double *restrict m2 = by->moments->m2;
    real *restrict high = by->mean_high, *restrict low = by->mean_low, *restrict scale = by->scale;
    double *restrict inverse = by->inverse_deviation;
    const double per_value = 1 / by->count, eps = by->eps;
    int64_t broken = 0;
    for (size_t c = begin; c < end; c++) {
        inverse[c] = 1 / sqrt(m2[c] * per_value + eps);
        high[c] = (real)mean[c];
        low[c] = (real)((mean[c] - (double)high[c]) + mean_low[c]);
        scale[c] = (real)inverse[c];
        broken |= is_broken((double)high[c] + m2[c] + inverse[c]);
    }
    const real *restrict gamma = by->gamma;
    for (size_t c = begin; gamma != NULL && c < end; c++) {
        scale[c] = (real)((double)gamma[c] * inverse[c]);
        broken |= is_broken((double)scale[c]);
    }
    return broken == 0;
}

static bool settle_running(const normd_settling *by, size_t begin, size_t end)
{
    const double *restrict mean = by->moments->mean, *restrict m2 = by->moments->m2;
    real *restrict running_mean = by->running_mean, *restrict running_var = by->running_var;
    const double keep = by->keep, take = by->take, divisor = by->divisor;
    int64_t broken = 0;
    for (size_t c = begin; c < end; c++) {
        running_mean[c] = (real)(keep * (double)running_mean[c] + take * mean[c]);
        running_var[c] = (real)(keep * (double)running_var[c] + take * (m2[c] / divisor));
        broken |= is_broken((double)running_mean[c] + (double)running_var[c]);
    }
    return broken == 0;
}

bool NORMD_KERNEL(settle)(const normd_settling *settling, size_t begin, size_t end)
{
    assert(begin <= end);
    bool finite = settle_normalizer(settling, begin, end);
    if (settling->running_mean != NULL) {
        finite = settle_running(settling, begin, end) && finite;
    }
    return finite;
}
