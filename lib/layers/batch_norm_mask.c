// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm_mask.h"

#include "lib/kernels/double_double.h"

double normd_batch_norm_masked_count(const normd_batch_norm *norm, const normd_layer_pass *pass)
{
    double count = (double)pass->positions + norm->mask_epsilon;
    return norm->base.dtype == NORMD_F32 ? (double)(float)count : count;
}

void normd_batch_norm_mask_moments(
    const normd_channel_moments *moments, double count, double masked, size_t begin, size_t end)
{
    const double added = (masked - count) / masked;
    for (size_t c = begin; c < end; c++) {
        double shift = (moments->mean[c] + moments->mean_low[c]) * added;
        normd_double_double mean = normd_two_sum(moments->mean[c], moments->mean_low[c] - shift);
        moments->mean[c] = mean.high;
        moments->mean_low[c] = mean.low;
        moments->m2[c] += count * (shift * shift);
    }
}

void normd_batch_norm_mask_gradients(const normd_batch_norm *norm, double count, double masked,
    const normd_gradient_settling *settling, size_t begin, size_t end)
{
    normd_dtype dtype = norm->base.dtype;
    const double added = (masked - count) / masked;
    for (size_t c = begin; c < end; c++) {
        double mean = normd_value_load(dtype, settling->mean_high, c) +
                      normd_value_load(dtype, settling->mean_low, c);
        double slope = normd_value_load(dtype, settling->slope, c);
        double mean_dy = normd_value_load(dtype, settling->mean_dy, c);
        normd_value_store(dtype, settling->mean_dy, c, mean_dy - added * mean * slope);
    }
}
