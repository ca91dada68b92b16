// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm_mask.h"

#include "lib/kernels/double_double.h"

double normd_batch_norm_masked_count(const normd_batch_norm *norm, const normd_layer_pass *pass)
{
    double count = (double)pass->positions + norm->mask_epsilon;
    return norm->base.dtype == NORMD_F32 ? (double)(float)count : count;
}

normd_status normd_batch_norm_check_mask(
    const normd_batch_norm *norm, const normd_layer_pass *pass, normd_error *error)
{
    if (norm->virtual_batch > 0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "mask: expected no mask where a layer has virtual batches, got one");
    }
    normd_shape shape = {.rank = pass->shape.rank - 1};
    uint32_t features = normd_batch_norm_axis(norm, pass->shape.rank);
    for (uint32_t axis = 0; axis < shape.rank; axis++) {
        shape.dim[axis] = pass->shape.dim[axis < features ? axis : axis + 1];
    }
    if (!normd_shape_equal(&shape, pass->mask_shape)) {
        char expected[NORMD_SHAPE_TEXT_BYTES];
        char got[NORMD_SHAPE_TEXT_BYTES];
        return normd_error_set(error, NORMD_BAD_SHAPE,
            "mask: expected %s, the shape of %s without its features, got %s",
            normd_shape_format(&shape, expected, sizeof expected), pass->input_name,
            normd_shape_format(pass->mask_shape, got, sizeof got));
    }
    return NORMD_OK;
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
