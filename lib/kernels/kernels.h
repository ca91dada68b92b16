// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_KERNELS_H
#define NORMD_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The batch-norm kernels: what is done to one tile of one batch by one thread.
 *
 * Layout. Every input, of whatever rank and with the channels first or last, is seen as a dense
 * array of shape (outer, channels, inner): element (o, c, i) is at (o * channels + c) * inner + i.
 *   (N, C) and channels last (N, ..., C): outer = N * spatial, inner = 1
 *   channels first (N, C, ...):           outer = N,           inner = spatial
 *
 * A tile is a range of channels and a range of outer rows. Vectors of C values (mean, gamma, ...)
 * are passed whole, not from the tile's first channel.
 *
 * Same bits everywhere: for each (operation, type) every instruction set performs the same
 * operations in the same order. The order depends on the tile alone.
 *
 * All kernels assert their preconditions and cannot fail.
 */
typedef struct normd_geometry {
    size_t outer;
    size_t channels;
    size_t inner;
} normd_geometry;

typedef struct normd_tile {
    size_t channel_begin, channel_end;
    size_t outer_begin, outer_end;
} normd_tile;

/* Moments of one channel over some values, mergeable (Chan, Golub and LeVeque 1979):
   m2 = sum of (x - mean)^2, never negative. The mean is mean + mean_low, a double and what its
   rounding left over, and sum + sum_low is the sum it comes from: parts that cancel still give the
   digits of the whole, and a sum of exactly zero stays zero. Readers need count, mean, mean_low and
   m2. For a normalizer of floats, mean_high = (float)mean and mean_low = (float)(mean - mean_high +
   mean_low); for one of doubles they are mean and mean_low. All zero: no values. */
typedef struct normd_moments {
    double count;
    double mean, mean_low;
    double m2;
    double sum, sum_low;
} normd_moments;

/* What turns x into y for one channel: y = ((x - mean_high) - mean_low) * scale + bias, in the type
   of the data. mean_high + mean_low is the mean to twice the precision of the type, so that the
   subtraction does not lose the digits in which the values of a column differ.
   Struct of arrays of C values each, in the type T of the batch (float or double). */
typedef struct normd_normalizer {
    const void *mean_high;
    const void *mean_low;
    const void *scale; /* gamma / sqrt(variance + eps) */
    const void *bias;  /* beta; zeros when there is none */
} normd_normalizer;

/* What backward needs a channel: sum of dy, and sum of dy * (x - mean). */
typedef struct normd_backward_sums {
    double dy;
    double dy_centered;
} normd_backward_sums;

/* dx = (dy - mean_dy - ((x - mean_high) - mean_low) * slope) * scale, arrays of C values in the
   type of the batch. mean_dy = sum(dy)/n, slope = sum(dy (x-mean)) / n / (variance + eps). */
typedef struct normd_backprojector {
    const void *mean_high;
    const void *mean_low;
    const void *mean_dy;
    const void *slope;
    const void *scale;
} normd_backprojector;

/* The kernels of one element type T. `mask` (or NULL) holds a byte for each (outer, inner)
   position, outer * inner of them, non-zero where the position counts. */
typedef struct normd_kernel_set {
    /* Writes moments[c] for the tile's channels over its rows (count 0 where all is masked). NaN or
       infinity in the data gives a mean or m2 that is not finite. */
    void (*moments)(const void *x, const normd_geometry *geometry, const normd_tile *tile,
        const uint8_t *mask, normd_moments *moments);
    /* Merges parts[c] into totals[c] for c = 0 ... channels - 1, as normd_moments_merge does. */
    void (*merge)(normd_moments *totals, const normd_moments *parts, size_t channels);
    /* y over the tile; y may be x. */
    void (*normalize)(const void *x, void *y, const normd_geometry *geometry,
        const normd_tile *tile, const normd_normalizer *normalizer);
    /* Writes sums[c] for the tile's channels over its rows. Masked positions are left out of
       nothing here: their dy reaches gamma and beta as any other. */
    void (*backward_sums)(const void *x, const void *dy, const normd_geometry *geometry,
        const normd_tile *tile, const void *mean_high, const void *mean_low,
        normd_backward_sums *sums);
    /* dx over the tile; dx may be dy. At masked positions dx = dy * scale: they took no part in the
       statistics. */
    void (*backward_apply)(const void *x, const void *dy, void *dx, const normd_geometry *geometry,
        const normd_tile *tile, const uint8_t *mask, const normd_backprojector *backprojector);
    /* True when all `count` values are finite. */
    bool (*all_finite)(const void *x, size_t count);
} normd_kernel_set;

/* One instruction set: the name that `--instruction-set` takes, whether this machine has it, and
   its kernels. */
typedef struct normd_kernels {
    const char *name;
    bool (*supported)(void);
    normd_kernel_set f32;
    normd_kernel_set f64;
} normd_kernels;

/* The table, from the plainest to the widest: "reference", "baseline", "avx2", "avx512". Returns
   the rows and their number. "reference" is for reading and for tests; it is never chosen by
   itself. */
const normd_kernels *normd_kernels_table(size_t *rows);

/* The row of that name, or the best that this machine supports when `name` is NULL or "auto".
   NULL when there is no such row or the machine does not support it. */
const normd_kernels *normd_kernels_choose(const char *name);

/* Merges `part` into `total`, in double; the order of merging decides the last bits, so merge in
   the order of the tiles. */
void normd_moments_merge(normd_moments *total, const normd_moments *part);

#endif
