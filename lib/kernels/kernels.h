// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_KERNELS_H
#define NORMD_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The batch-norm kernels: what is done to one tile of one batch by one thread. BATCHNORM.md leads
 * from the formulas to their arguments.
 *
 * Layout. Every input, of whatever rank and with the channels first or last, is seen as a dense
 * array of shape (outer, channels, inner): element (o, c, i) is at (o * channels + c) * inner + i.
 *   (N, C) and channels last (N, ..., C): outer = N * spatial, inner = 1
 *   channels first (N, C, ...):           outer = N,           inner = spatial
 * It need not be aligned beyond its elements.
 *
 * Types. A batch is stored as float, double, bfloat16 or IEEE half. Arithmetic on its elements is
 * done in the "real" type: double for double, float for the others. Vectors of C coefficients
 * (mean_high, scale, ...) are of the real type, and passed whole, not from the tile's first
 * channel.
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

/* A range of channels, of outer rows, and of the values of a run (0 to `inner` but in batches with
   very long runs). */
typedef struct normd_tile {
    size_t channel_begin, channel_end;
    size_t outer_begin, outer_end;
    size_t inner_begin, inner_end;
} normd_tile;

/* Whether what a kernel writes goes past the caches. For the last pass over a batch that is larger
   than they are; the values written are the same. */
typedef enum normd_stores { NORMD_STORES_CACHED, NORMD_STORES_STREAMED } normd_stores;

/* Of one channel in a tile: the sum of x and of x^2. */
typedef struct normd_sums {
    double value;
    double square;
} normd_sums;

/* The same about a center: sum + error is the sum of x to twice the precision of double, square is
   the sum of (x - center)^2. */
typedef struct normd_centered_sums {
    double sum, error;
    double square;
} normd_centered_sums;

/* Of one channel in a tile, for backward: the sum of dy, and of dy (x - center). */
typedef struct normd_gradient_sums {
    double dy;
    double dy_x;
} normd_gradient_sums;

/* What turns x into y: y = ((x - mean_high) - mean_low) * scale + bias, in the real type, and with
   `relu` then max(y, 0). mean_high + mean_low is the mean to twice the precision of the type, so
   that the subtraction does not lose the digits in which the values of a column differ. C values
   each, zeros where there is no bias. */
typedef struct normd_normalizer {
    const void *mean_high;
    const void *mean_low;
    const void *scale; /* gamma / sqrt(variance + eps) */
    const void *bias;  /* beta */
    bool relu;
} normd_normalizer;

/* dx = (dy - mean_dy - ((x - mean_high) - mean_low) * slope) * scale, C values each.
   mean_dy = sum(dy)/n, slope = sum(dy (x-mean)) / n / (variance + eps). Where the statistics are
   constants (inference mode), mean_dy is NULL: dx = dy * scale, and x is not read. */
typedef struct normd_backprojector {
    const void *mean_high;
    const void *mean_low;
    const void *mean_dy;
    const void *slope;
    const void *scale;
} normd_backprojector;

/* The moments of a batch, C values each: the mean is mean + mean_low, m2 is the sum of
   (x - mean)^2. `uncertain` says where the sums have too few digits left (see BATCHNORM.md): there,
   centered sums give the moments. */
typedef struct normd_channel_moments {
    double *mean, *mean_low, *m2;
    uint8_t *uncertain;
} normd_channel_moments;

/* What follows from the moments of a training forward, C values each in the real type but where it
   is said. */
typedef struct normd_settling {
    const normd_channel_moments *moments;
    double count; /* values of a channel */
    double eps;
    const void *gamma; /* or NULL for 1 */
    /* Out: for the normalizer and for backward. */
    void *mean_high, *mean_low, *scale;
    double *inverse_deviation; /* 1 / sqrt(m2 / count + eps) */
    /* In and out, or NULL: running = keep * running + take * (mean, m2 / divisor). */
    void *running_mean, *running_var;
    double keep, take, divisor;
} normd_settling;

/* What follows from the sums of backward, C values each in the real type but where it is said. */
typedef struct normd_gradient_settling {
    /* `chunks` times `channels` results, to be added in that order. */
    const normd_gradient_sums *sums;
    size_t chunks, channels;
    double count;
    const void *mean_high, *mean_low;
    const double *inverse_deviation;
    const uint8_t *centered; /* where the sums are about the mean already */
    void *mean_dy, *slope;   /* out, for the backprojector */
    void *dgamma, *dbeta;    /* out, or NULL */
} normd_gradient_settling;

/*
 * The kernels of one storage type: first those that go over a batch, then those that go over its
 * channels.
 *
 * `mask` (or NULL) holds a byte for each (outer, inner) position, outer * inner of them, non-zero
 * where the position counts.
 *
 * `wanted` (or NULL for all) holds a byte for each channel: only where it is non-zero are results
 * written.
 *
 * `gate` (or NULL) is the normalizer of a forward with a fused ReLU: where its y is 0 or negative,
 * dy counts as 0. y is computed again, with the same bits as in forward.
 */
typedef struct normd_kernel_set {
    size_t element_bytes; /* of a stored value */
    /* Writes sums[c] for the tile's channels. A NaN or infinity in the data gives a sum that is not
       finite. */
    void (*sums)(const void *x, const normd_geometry *geometry, const normd_tile *tile,
        const uint8_t *mask, normd_sums *sums);
    /* The same about `center`, C values of the real type. */
    void (*centered_sums)(const void *x, const normd_geometry *geometry, const normd_tile *tile,
        const uint8_t *mask, const void *center, const uint8_t *wanted, normd_centered_sums *sums);
    /* y over the tile; y may be x. */
    void (*normalize)(const void *x, void *y, const normd_geometry *geometry,
        const normd_tile *tile, const normd_normalizer *normalizer, normd_stores stores);
    /* Writes sums[c] for the tile's channels, about center 0. Every dy takes part, under a mask
       too: it reaches gamma and beta. */
    void (*gradient_sums)(const void *x, const void *dy, const normd_geometry *geometry,
        const normd_tile *tile, const normd_normalizer *gate, normd_gradient_sums *sums);
    /* The same about the center mean_high + mean_low, C values each. */
    void (*centered_gradient_sums)(const void *x, const void *dy, const normd_geometry *geometry,
        const normd_tile *tile, const normd_normalizer *gate, const void *mean_high,
        const void *mean_low, const uint8_t *wanted, normd_gradient_sums *sums);
    /* dx over the tile; dx may be dy. At masked positions dx = dy * scale: they took no part in the
       statistics. */
    void (*backward)(const void *x, const void *dy, void *dx, const normd_geometry *geometry,
        const normd_tile *tile, const uint8_t *mask, const normd_normalizer *gate,
        const normd_backprojector *backprojector, normd_stores stores);
    /* True when all `count` values are finite. */
    bool (*all_finite)(const void *x, size_t count);

    /* For the channels [begin, end): the moments of `count` values from the sums of `chunks` tiles,
       `channels` results each, added in that order; `additions` as normd_tiling_additions has it.
       Returns whether any channel is uncertain. */
    bool (*moments)(const normd_sums *sums, size_t chunks, size_t channels, double count,
        double additions, size_t begin, size_t end, const normd_channel_moments *moments);
    /* The same for the uncertain ones, from centered sums. */
    void (*centered_moments)(const normd_centered_sums *sums, size_t chunks, size_t channels,
        double count, const void *center, size_t begin, size_t end,
        const normd_channel_moments *moments);
    /* For the channels [begin, end). Returns whether all results are finite. */
    bool (*settle)(const normd_settling *settling, size_t begin, size_t end);
    /* For the channels [begin, end). */
    void (*settle_gradients)(const normd_gradient_settling *settling, size_t begin, size_t end);
} normd_kernel_set;

/* One instruction set: the name that `--instruction-set` takes, whether this machine has it, and
   its kernels. */
typedef struct normd_kernels {
    const char *name;
    bool (*supported)(void);
    normd_kernel_set f32, f64, f16, bf16;
} normd_kernels;

/* The table, from the plainest to the widest: "reference", "baseline", and on x86-64 "avx2" and
   "avx512". Baseline is SSE2 there and NEON on aarch64. Returns the rows and their number.
   "reference" is for reading and for tests; it is never chosen by itself. */
const normd_kernels *normd_kernels_table(size_t *rows);

/* The row of that name, or the best that this machine supports when `name` is NULL or "auto".
   NULL when there is no such row or the machine does not support it. */
const normd_kernels *normd_kernels_choose(const char *name);

#endif
