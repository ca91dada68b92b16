// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_ELEMENT_H
#define NORMD_KERNELS_ELEMENT_H

#include "lib/kernels/half.h"
#include "lib/kernels/order.h"
#include "lib/kernels/rows.h"

/*
 * For the sources that are compiled once for each storage type and row of the table. The build
 * defines NORMD_ROW (reference, baseline, avx2, ...), NORMD_TYPE (f32, f64, f16 or bf16), and one
 * of NORMD_TYPE_F32 ... as well; NORMD_KERNEL(sums) is then normd_sums_avx2_f32, say.
 *
 * element: what is stored. real: what is computed with.
 */
#if defined(NORMD_TYPE_F64)
#define NORMD_REAL_BITS 64
typedef double element;
typedef double real;
#elif defined(NORMD_TYPE_F32)
#define NORMD_REAL_BITS 32
typedef float element;
typedef float real;
#else
#define NORMD_REAL_BITS 32
typedef uint16_t element;
typedef float real;
#endif

static inline real widen(element value)
{
#if defined(NORMD_TYPE_F16)
    return normd_f16_widen(value);
#elif defined(NORMD_TYPE_BF16)
    return normd_bf16_widen(value);
#else
    return value;
#endif
}

static inline element narrow(real value)
{
#if defined(NORMD_TYPE_F16)
    return normd_f16_narrow(value);
#elif defined(NORMD_TYPE_BF16)
    return normd_bf16_narrow(value);
#else
    return value;
#endif
}

#define NORMD_KERNEL(operation) NORMD_KERNEL_EXPAND(operation, NORMD_ROW, NORMD_TYPE)
#define NORMD_REFERENCE_KERNEL(operation) NORMD_KERNEL_EXPAND(operation, reference, NORMD_TYPE)
#define NORMD_KERNEL_EXPAND(operation, row, type) NORMD_KERNEL_PASTE(operation, row, type)
#define NORMD_KERNEL_PASTE(operation, row, type) normd_##operation##_##row##_##type

/* Every kernel starts with this. */
static inline bool normd_tile_is_valid(const normd_geometry *geometry, const normd_tile *tile)
{
    return geometry->inner > 0 && tile->channel_begin <= tile->channel_end &&
           tile->channel_end <= geometry->channels && tile->outer_begin <= tile->outer_end &&
           tile->outer_end <= geometry->outer && tile->inner_begin < tile->inner_end &&
           tile->inner_end <= geometry->inner &&
           (!normd_order_is_rows(geometry) ||
               tile->inner_end - tile->inner_begin == geometry->inner);
}

/* The index of value (outer, channel, inner). */
static inline size_t normd_at(
    const normd_geometry *geometry, size_t outer, size_t channel, size_t inner)
{
    return (outer * geometry->channels + channel) * geometry->inner + inner;
}

/* Whether position (outer, inner) counts. */
static inline bool normd_counts(
    const uint8_t *mask, const normd_geometry *geometry, size_t outer, size_t inner)
{
    return mask == NULL || mask[outer * geometry->inner + inner] != 0;
}

/* y of one value, and whether a fused ReLU lets its gradient pass. */
static inline real normd_y(real x, const normd_normalizer *normalizer, size_t channel)
{
    const real *high = normalizer->mean_high, *low = normalizer->mean_low;
    const real *scale = normalizer->scale, *bias = normalizer->bias;
    return ((x - high[channel]) - low[channel]) * scale[channel] + bias[channel];
}

static inline bool normd_passes(real x, const normd_normalizer *gate, size_t channel)
{
    return gate == NULL || !(normd_y(x, gate, channel) <= 0);
}

#endif
