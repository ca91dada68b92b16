// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_BATCH_NORM_RENORM_H
#define NORMD_LAYERS_BATCH_NORM_RENORM_H

#include "lib/layers/batch_norm_memory.h"

/*
 * Batch renormalization (Ioffe 2017) and virtual batches (Hoffer, Hubara and Soudry 2017, as "ghost
 * batches"), as TensorFlow and Keras compute them: what follows from the moments of a view's
 * channels where gamma and beta alone do not say it. With s = sqrt(var + eps) of a channel:
 *
 *   r = clip(s / max(renorm_std, sqrt(eps)), rmin, rmax)
 *   d = clip((mean - renorm_mean) / max(renorm_std, sqrt(eps)), -dmax, dmax)
 *   y = ((x - mean) / s * r + d) * gamma + beta
 *
 * so scale = gamma r / s and bias = beta + gamma d. r and d are those of before this batch, and
 * constants in backward. The statistics then move:
 *
 *   renorm_mean = k' renorm_mean + (1 - k') mean      renorm_std = k' renorm_std + (1 - k') s
 *   running_mean = k running_mean + (1 - k) mean      running_std = k running_std + (1 - k) s
 *   running_var = max(running_std^2 - eps, 0)
 *
 * with k of `momentum` and k' of `renorm_momentum`. Without renormalization r = 1, d = 0, and the
 * running mean and variance move as always. Strided virtual batches, which TensorFlow has, count as
 * one batch whose mean and variance are the averages over them, for r and d too. Contiguous ones
 * count one after the other, each with r and d of what the one before it left.
 */
typedef struct normd_batch_norm_composing {
    const normd_layer_pass *pass;
    const normd_batch_norm *norm;
    const normd_batch_norm_view *view;
    const normd_channel_moments *moments;
    const normd_batch_norm_kept *kept;
    double count;    /* of the channels where all have one; under a mask of the valid positions */
    int64_t batches; /* tracked before this one */
} normd_batch_norm_composing;

/* Counts the batches of the pass, where its statistics move. */
normd_batch_norm_composing normd_batch_norm_compose(const normd_layer_pass *pass,
    const normd_batch_norm_view *view, const normd_channel_moments *moments,
    const normd_batch_norm_kept *kept, double count);

/* r and d of the features [begin, end) in all groups, into `kept`; moves their statistics. Needs
   the moments of all groups. Returns whether all results are finite. */
bool normd_batch_norm_correct(const normd_batch_norm_composing *by, size_t begin, size_t end);

/* Scale and bias of the channels [begin, end), into `kept`, from the deviations, and of
   renormalization r and d, there. Returns whether they are finite. */
bool normd_batch_norm_coefficients(const normd_batch_norm_composing *by, size_t begin, size_t end);

/* dgamma = sum(dy xhat) r + d sum(dy) and dbeta = sum(dy), over all groups, from the sums of
   backward. Either may be NULL. `centered`: the channels whose sums are about the mean already. */
void normd_batch_norm_collect_gradients(const normd_batch_norm *norm,
    const normd_batch_norm_view *view, const normd_batch_norm_kept *kept,
    const normd_gradient_sums *sums, const uint8_t *centered, void *dgamma, void *dbeta);

#endif
