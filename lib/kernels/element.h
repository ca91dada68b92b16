// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_ELEMENT_H
#define NORMD_KERNELS_ELEMENT_H

#include "lib/kernels/rows.h"

/*
 * For the sources that are compiled once for each element type and row of the table. The build
 * defines NORMD_ELEMENT_BITS (32 or 64) and NORMD_ROW (reference, baseline, avx2, ...);
 * NORMD_KERNEL(moments) is then normd_moments_avx2_f32, say.
 */
#if NORMD_ELEMENT_BITS == 32
typedef float element;
#elif NORMD_ELEMENT_BITS == 64
typedef double element;
#endif

#define NORMD_KERNEL(operation) NORMD_KERNEL_EXPAND(operation, NORMD_ROW, NORMD_ELEMENT_BITS)
#define NORMD_REFERENCE_KERNEL(operation)                                                          \
    NORMD_KERNEL_EXPAND(operation, reference, NORMD_ELEMENT_BITS)
#define NORMD_KERNEL_EXPAND(operation, row, bits) NORMD_KERNEL_PASTE(operation, row, bits)
#define NORMD_KERNEL_PASTE(operation, row, bits) normd_##operation##_##row##_f##bits

/* Every kernel starts with this. */
static inline bool normd_tile_is_valid(const normd_geometry *geometry, const normd_tile *tile)
{
    return geometry->inner > 0 && tile->channel_begin <= tile->channel_end &&
           tile->channel_end <= geometry->channels && tile->outer_begin <= tile->outer_end &&
           tile->outer_end <= geometry->outer;
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

#endif
