// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/double_double.h"
#include "lib/kernels/element.h"

static normd_centered_sums add_chunks(
    const normd_centered_sums *sums, size_t chunks, size_t channels)
{
    normd_centered_sums total = sums[0];
    for (size_t chunk = 1; chunk < chunks; chunk++) {
        const normd_centered_sums *part = &sums[chunk * channels];
        normd_double_double sum = normd_two_sum(total.sum, part->sum);
        total.sum = sum.high;
        total.error = (total.error + part->error) + sum.low;
        total.square += part->square;
    }
    return total;
}

void NORMD_KERNEL(centered_moments)(const normd_centered_sums *sums, size_t chunks, size_t channels,
    double count, const void *center, size_t begin, size_t end,
    const normd_channel_moments *moments)
{
    assert(begin <= end && end <= channels);
    const real *centers = center;
    for (size_t c = begin; c < end; c++) {
        if (moments->uncertain[c] == 0) {
            continue;
        }
        normd_centered_sums total = add_chunks(sums + c, chunks, channels);
        normd_double_double sum = normd_two_sum(total.sum, total.error);
        normd_double_double mean = normd_double_double_divide(sum, count);
        double offset = (mean.high - (double)centers[c]) + mean.low;
        double m2 = total.square - count * (offset * offset);
        moments->mean[c] = mean.high;
        moments->mean_low[c] = mean.low;
        moments->m2[c] = m2 < 0 ? 0 : m2; /* NaN stays NaN */
    }
}
