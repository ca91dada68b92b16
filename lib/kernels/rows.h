// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_ROWS_H
#define NORMD_KERNELS_ROWS_H

#include "lib/kernels/kernels.h"

/*
 * The rows of the table of kernels and the names of their functions, once. Kernel sources include
 * this by lib/kernels/element.h.
 */

/* The operations of one type of one row, as in normd_kernel_set. */
#define NORMD_KERNEL_DECLARE(row, type)                                                            \
    void normd_sums_##row##_##type(const void *x, const normd_geometry *geometry,                  \
        const normd_tile *tile, const uint8_t *mask, normd_sums *sums);                            \
    void normd_centered_sums_##row##_##type(const void *x, const normd_geometry *geometry,         \
        const normd_tile *tile, const uint8_t *mask, const void *center, const uint8_t *wanted,    \
        normd_centered_sums *sums);                                                                \
    void normd_normalize_##row##_##type(const void *x, void *y, const normd_geometry *geometry,    \
        const normd_tile *tile, const normd_normalizer *normalizer, normd_stores stores);          \
    void normd_gradient_sums_##row##_##type(const void *x, const void *dy,                         \
        const normd_geometry *geometry, const normd_tile *tile, const normd_normalizer *gate,      \
        normd_gradient_sums *sums);                                                                \
    void normd_centered_gradient_sums_##row##_##type(const void *x, const void *dy,                \
        const normd_geometry *geometry, const normd_tile *tile, const normd_normalizer *gate,      \
        const void *mean_high, const void *mean_low, const uint8_t *wanted,                        \
        normd_gradient_sums *sums);                                                                \
    void normd_backward_##row##_##type(const void *x, const void *dy, void *dx,                    \
        const normd_geometry *geometry, const normd_tile *tile, const uint8_t *mask,               \
        const normd_normalizer *gate, const normd_backprojector *backprojector,                    \
        normd_stores stores);                                                                      \
    bool normd_all_finite_##row##_##type(const void *x, size_t count);                             \
    bool normd_moments_##row##_##type(const normd_sums *sums, size_t chunks, size_t channels,      \
        double count, double additions, size_t begin, size_t end,                                  \
        const normd_channel_moments *moments);                                                     \
    void normd_centered_moments_##row##_##type(const normd_centered_sums *sums, size_t chunks,     \
        size_t channels, double count, const void *center, size_t begin, size_t end,               \
        const normd_channel_moments *moments);                                                     \
    bool normd_settle_##row##_##type(const normd_settling *settling, size_t begin, size_t end);    \
    void normd_settle_gradients_##row##_##type(                                                    \
        const normd_gradient_settling *settling, size_t begin, size_t end);

/* The rows that this build has, plainest first: (name, test whether the machine has it). */
#if defined(__x86_64__)
#define NORMD_ROW_MAP(X)                                                                           \
    X(reference, true)                                                                             \
    X(baseline, true)                                                                              \
    X(avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && machine_has_f16c()) \
    X(avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&           \
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
#else
#define NORMD_ROW_MAP(X)                                                                           \
    X(reference, true)                                                                             \
    X(baseline, true)
#endif

#define NORMD_ROW_DECLARE(row, supported)                                                          \
    NORMD_KERNEL_DECLARE(row, f32)                                                                 \
    NORMD_KERNEL_DECLARE(row, f64)                                                                 \
    NORMD_KERNEL_DECLARE(row, f16)                                                                 \
    NORMD_KERNEL_DECLARE(row, bf16)
NORMD_ROW_MAP(NORMD_ROW_DECLARE)
#undef NORMD_ROW_DECLARE

#endif
