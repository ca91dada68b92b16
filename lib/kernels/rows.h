// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_ROWS_H
#define NORMD_KERNELS_ROWS_H

#include "lib/kernels/kernels.h"

/*
 * The rows of the table of kernels and the names of their functions, once. Kernel sources include
 * this by lib/kernels/element.h.
 */

/* The operations of one type of one row, as in normd_kernel_set. */
#define NORMD_KERNEL_DECLARE(row, bits)                                                            \
    void normd_moments_##row##_f##bits(const void *x, const normd_geometry *geometry,              \
        const normd_tile *tile, const uint8_t *mask, normd_moments *moments);                      \
    void normd_merge_##row##_f##bits(                                                              \
        normd_moments *totals, const normd_moments *parts, size_t channels);                       \
    void normd_normalize_##row##_f##bits(const void *x, void *y, const normd_geometry *geometry,   \
        const normd_tile *tile, const normd_normalizer *normalizer);                               \
    void normd_backward_sums_##row##_f##bits(const void *x, const void *dy,                        \
        const normd_geometry *geometry, const normd_tile *tile, const void *mean_high,             \
        const void *mean_low, normd_backward_sums *sums);                                          \
    void normd_backward_apply_##row##_f##bits(const void *x, const void *dy, void *dx,             \
        const normd_geometry *geometry, const normd_tile *tile, const uint8_t *mask,               \
        const normd_backprojector *backprojector);                                                 \
    bool normd_all_finite_##row##_f##bits(const void *x, size_t count);

/* The rows that this build has, plainest first: (name, test whether the machine has it). */
#if defined(__x86_64__)
#define NORMD_ROW_MAP(X)                                                                           \
    X(reference, true)                                                                             \
    X(baseline, true)                                                                              \
    X(avx2, __builtin_cpu_supports("avx2"))                                                        \
    X(avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&           \
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
#else
#define NORMD_ROW_MAP(X)                                                                           \
    X(reference, true)                                                                             \
    X(baseline, true)
#endif

#define NORMD_ROW_DECLARE(row, supported)                                                          \
    NORMD_KERNEL_DECLARE(row, 32)                                                                  \
    NORMD_KERNEL_DECLARE(row, 64)
NORMD_ROW_MAP(NORMD_ROW_DECLARE)
#undef NORMD_ROW_DECLARE

#endif
