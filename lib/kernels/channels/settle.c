// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <math.h>

#include "lib/kernels/element.h"

/* The mean in two parts, and gamma / sqrt(variance + eps). */
static bool settle_normalizer(const normd_settling *by, size_t begin, size_t end)
{
    const double *mean = by->moments->mean, *mean_low = by->moments->mean_low;
    const double *m2 = by->moments->m2;
    const real *gamma = by->gamma;
    real *high = by->mean_high, *low = by->mean_low, *scale = by->scale;
    const double per_value = 1 / by->count, eps = by->eps;
    double all = 0; /* stays 0 as long as all is finite */
    for (size_t c = begin; c < end; c++) {
        double inverse = 1 / sqrt(m2[c] * per_value + eps);
        double weight = gamma != NULL ? (double)gamma[c] : 1;
        high[c] = (real)mean[c];
        low[c] = (real)((mean[c] - (double)high[c]) + mean_low[c]);
        scale[c] = (real)(weight * inverse);
        by->inverse_deviation[c] = inverse;
        all += ((double)high[c] + m2[c] + (double)scale[c]) * 0;
    }
    return all == 0;
}

static bool settle_running(const normd_settling *by, size_t begin, size_t end)
{
    const double *mean = by->moments->mean, *m2 = by->moments->m2;
    real *running_mean = by->running_mean, *running_var = by->running_var;
    const double keep = by->keep, take = by->take, divisor = by->divisor;
    double all = 0;
    for (size_t c = begin; c < end; c++) {
        running_mean[c] = (real)(keep * (double)running_mean[c] + take * mean[c]);
        running_var[c] = (real)(keep * (double)running_var[c] + take * (m2[c] / divisor));
        all += ((double)running_mean[c] + (double)running_var[c]) * 0;
    }
    return all == 0;
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
