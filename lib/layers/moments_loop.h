// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_MOMENTS_LOOP_H
#define NORMD_LAYERS_MOMENTS_LOOP_H

#include <stdatomic.h>

#include "lib/layers/batch_norm_loop.h"

/*
 * The forward half of every norm: the moments of each channel of a batch, what follows from them
 * (mean_high, mean_low, scale), and a walk that uses it. Moments come within a quarter of a last
 * place of float32, whatever the offset of the data (lib/kernels/BATCHNORM.md).
 */
typedef struct normd_moments_loop {
    normd_batch_norm_loop base; /* the first member: `apply` receives a pointer to it */
    const void *x;
    const uint8_t *mask;                /* or NULL */
    bool about_zero;                    /* the mean counts as 0: m2 is the sum of x^2 */
    normd_sums *sums;                   /* [chunk][channel] */
    normd_centered_sums *centered_sums; /* the same */
    normd_settling settling;
    double additions;
    atomic_bool broken; /* out: some result is not finite */
} normd_moments_loop;

/* Fills `base` and `additions`, with `apply` NULL, and clears `broken`. The caller sets the rest;
   then normd_batch_norm_loop_run(&loop->base). Tiling and compute must outlive the loop. */
void normd_moments_loop_begin(normd_moments_loop *loop, const normd_compute *compute,
    const normd_tiling *tiling, uint8_t *unsettled);

#endif
