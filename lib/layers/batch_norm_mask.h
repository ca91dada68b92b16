// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_BATCH_NORM_MASK_H
#define NORMD_LAYERS_BATCH_NORM_MASK_H

#include "lib/layers/batch_norm_memory.h"

/*
 * The count that sums under a mask are divided by: n + m in the layer's type, with n valid
 * positions and m the option mask_epsilon, which is 1e-7 in Keras, else 0.
 *
 * With N = n + m, as Keras has it:  mean' = sum(x) / N      var' = sum((x - mean')^2) / N
 * From the true moments:            mean' = mean n / N      m2' = m2 + n (mean - mean')^2
 *
 * The valid x - mean' do not add up to 0 but to m mean', which reaches dx through var':
 * with slope = s^2 / N sum(dy (x - mean')),
 *
 *   dx = gamma s (dy - (sum(dy) - m mean' slope) / N - (x - mean') slope)
 */
double normd_batch_norm_masked_count(const normd_batch_norm *norm, const normd_layer_pass *pass);

/* Whether the layer can take the pass' mask: of the shape of x without its features, and not beside
   virtual batches. BAD_SHAPE, BAD_ARGUMENT. */
normd_status normd_batch_norm_check_mask(
    const normd_batch_norm *norm, const normd_layer_pass *pass, normd_error *error);

/* Makes the moments of the channels [begin, end), of `count` positions, those over `masked`. */
void normd_batch_norm_mask_moments(
    const normd_channel_moments *moments, double count, double masked, size_t begin, size_t end);

/* Subtracts m mean' slope / N from mean_dy. */
void normd_batch_norm_mask_gradients(const normd_batch_norm *norm, double count, double masked,
    const normd_gradient_settling *settling, size_t begin, size_t end);

#endif
