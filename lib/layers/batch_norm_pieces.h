// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_BATCH_NORM_PIECES_H
#define NORMD_LAYERS_BATCH_NORM_PIECES_H

#include "lib/layers/batch_norm_view.h"

/*
 * The kernels over one tile of a view, which is one or several pieces of dense memory. Vectors and
 * records are of the view's channels, passed whole. Where a tile has several pieces their sums are
 * added in the order of the samples, and `spare` has room for as many records as the result.
 */
void normd_batch_norm_sums(const normd_batch_norm_view *view, const normd_layer_pass *pass,
    const normd_tile *tile, normd_sums *sums, normd_sums *spare);

void normd_batch_norm_centered_sums(const normd_batch_norm_view *view, const normd_layer_pass *pass,
    const normd_tile *tile, const void *center, const uint8_t *wanted, normd_centered_sums *sums,
    normd_centered_sums *spare);

void normd_batch_norm_normalize(const normd_batch_norm_view *view, const normd_layer_pass *pass,
    const normd_tile *tile, const normd_normalizer *normalizer, normd_stores stores);

/* About center 0, but where `centered` says so about mean_high + mean_low. */
typedef struct normd_batch_norm_gradient_centers {
    const uint8_t *centered;
    const void *mean_high, *mean_low;
} normd_batch_norm_gradient_centers;

void normd_batch_norm_gradient_sums(const normd_batch_norm_view *view, const normd_layer_pass *pass,
    const normd_tile *tile, const normd_normalizer *gate,
    const normd_batch_norm_gradient_centers *centers, normd_gradient_sums *sums,
    normd_gradient_sums *spare);

/* `mask`: of the batch as a whole, or NULL. */
void normd_batch_norm_backproject(const normd_batch_norm_view *view, const normd_layer_pass *pass,
    const normd_tile *tile, const normd_normalizer *gate, const normd_backprojector *backprojector,
    normd_stores stores);

#endif
