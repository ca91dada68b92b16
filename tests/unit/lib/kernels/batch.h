// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_LIB_KERNELS_BATCH_H
#define NORMD_TESTS_UNIT_LIB_KERNELS_BATCH_H

/* Random and adversarial batches for the tests of the kernels. */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kernels/kernels.h"

/* 113 significant bits: what the results are held against. */
#if defined(__SIZEOF_FLOAT128__)
typedef __float128 quad;
#else
typedef long double quad;
#endif

static inline quad quad_abs(quad value)
{
    return value < 0 ? -value : value;
}

/* splitmix64 */
static inline uint64_t random_bits(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 <= value < limit */
static inline size_t random_below(uint64_t *state, size_t limit)
{
    return (size_t)(random_bits(state) % limit);
}

/* -1 < value < 1 */
static inline double random_unit(uint64_t *state)
{
    return (double)(int64_t)random_bits(state) * 0x1p-63;
}

/* Near to normal: mean 0, deviation 1. */
static inline double random_normal(uint64_t *state)
{
    double sum = 0;
    for (int i = 0; i < 12; i++) {
        sum += random_unit(state);
    }
    return sum / 2;
}

/* How the values of a channel look in the order of positions. */
#define DATA_KIND_MAP(X)                                                                           \
    X(NORMAL)        /* mean 0, deviation 1 */                                                     \
    X(OFFSET_1E8)    /* mean 1e8, deviation 1 */                                                   \
    X(NARROW)        /* mean 1e4, deviation 1e-4 */                                                \
    X(OUTLIER)       /* one value of 1e10 somewhere */                                             \
    X(FIRST_OUTLIER) /* the first value is 1e10 */                                                 \
    X(TWO_OUTLIERS)  /* 1e10 and -1e10, which cancel */                                            \
    X(CONSTANT)      /* 0.1 */                                                                     \
    X(ZERO)          /* mixed signs of zero */                                                     \
    X(RELU)          /* half of the values are zero */                                             \
    X(DENORMAL)      /* multiples of the least positive number */                                  \
    X(ALTERNATING)   /* +v, -v: the mean is exactly 0 or close to it */                            \
    X(SORTED)        /* from -1 to 1 */                                                            \
    X(WIDE)          /* exponents from -40 to 40 */                                                \
    X(ONE_TINY)      /* ones, and one value so small that the sum is just not a double */          \
    X(LAST_PLACE)    /* 1, or the next double after it */                                          \
    X(LARGE)         /* near the end of the range of float */

typedef enum data_kind {
#define DATA_KIND_ENUM(name) DATA_##name,
    DATA_KIND_MAP(DATA_KIND_ENUM)
#undef DATA_KIND_ENUM
        DATA_KIND_COUNT
} data_kind;

/* Value `position` of `count`, `chosen` being a position that is the same for the whole channel. */
static inline double random_value(
    data_kind kind, size_t position, size_t count, size_t chosen, uint64_t *state)
{
    double normal = random_normal(state);
    switch (kind) {
    case DATA_OFFSET_1E8:
        return 1e8 + normal;
    case DATA_NARROW:
        return 1e4 + 1e-4 * normal;
    case DATA_OUTLIER:
        return position == chosen ? 1e10 : normal;
    case DATA_FIRST_OUTLIER:
        return position == 0 ? 1e10 : normal;
    case DATA_TWO_OUTLIERS:
        return position == chosen ? 1e10 : position == count - 1 - chosen ? -1e10 : normal;
    case DATA_CONSTANT:
        return 0.1;
    case DATA_ZERO:
        return normal < 0 ? -0.0 : 0.0;
    case DATA_RELU:
        return normal < 0 ? 0.0 : normal;
    case DATA_DENORMAL:
        return floor(normal * 100) * 0x1p-149;
    case DATA_ALTERNATING:
        return (position % 2 == 0 ? 1 : -1) * (1.1 + (double)(position / 2));
    case DATA_SORTED:
        return 2 * ((double)position + 0.5) / (double)count - 1;
    case DATA_WIDE:
        return ldexp(normal, (int)random_below(state, 81) - 40);
    case DATA_ONE_TINY:
        return position == chosen ? ldexp(1 + fabs(random_unit(state)), -24) : 1.0;
    case DATA_LAST_PLACE:
        return 1 + 0x1p-52 * (double)(normal > 0.5);
    case DATA_LARGE:
        return 1e38 * normal / 3;
    case DATA_NORMAL:
    case DATA_KIND_COUNT:
        break;
    }
    return normal;
}

static inline double value_get(int bits, const void *values, size_t index)
{
    return bits == 32 ? (double)((const float *)values)[index] : ((const double *)values)[index];
}

static inline void value_set(int bits, void *values, size_t index, double value)
{
    if (bits == 32) {
        ((float *)values)[index] = (float)value;
    } else {
        ((double *)values)[index] = value;
    }
}

static inline size_t geometry_values(const normd_geometry *geometry)
{
    return geometry->outer * geometry->channels * geometry->inner;
}

/* An array of `count` elements of exactly the size needed, so that a sanitizer sees what is read
   or written beyond it. */
static inline void *values_allocate(int bits, size_t count)
{
    void *values = malloc(count * (size_t)bits / 8 + (count == 0));
    if (values == NULL) {
        abort();
    }
    return values;
}

static inline void *values_random(
    int bits, const normd_geometry *geometry, data_kind kind, uint64_t *state)
{
    void *values = values_allocate(bits, geometry_values(geometry));
    size_t count = geometry->outer * geometry->inner;
    for (size_t c = 0; c < geometry->channels; c++) {
        size_t chosen = count == 0 ? 0 : random_below(state, count);
        for (size_t p = 0; p < count; p++) {
            size_t outer = p / geometry->inner, inner = p % geometry->inner;
            size_t at = (outer * geometry->channels + c) * geometry->inner + inner;
            value_set(bits, values, at, random_value(kind, p, count, chosen, state));
        }
    }
    return values;
}

/* `count` coefficients of the size of `scale`. */
static inline void *coefficients_random(int bits, size_t count, double scale, uint64_t *state)
{
    void *values = values_allocate(bits, count);
    for (size_t i = 0; i < count; i++) {
        value_set(bits, values, i, scale * random_normal(state));
    }
    return values;
}

static inline uint8_t *mask_random(const normd_geometry *geometry, uint64_t *state)
{
    size_t count = geometry->outer * geometry->inner;
    uint8_t *mask = values_allocate(8, count);
    size_t rarity = 1 + random_below(state, 5);
    for (size_t i = 0; i < count; i++) {
        mask[i] = random_below(state, rarity + 1) == 0 ? 0 : (uint8_t)(1 + i % 255);
    }
    return mask;
}

static inline size_t random_extent(uint64_t *state, size_t small, size_t large)
{
    return 1 + random_below(state, random_below(state, 4) == 0 ? large : small);
}

/* Odd sizes, one channel, one row, short and long rows; at most some ten thousand values. */
static inline normd_geometry geometry_random(uint64_t *state)
{
    switch (random_below(state, 4)) {
    case 0: /* many rows of few channels */
        return (normd_geometry){random_extent(state, 600, 9000), random_extent(state, 5, 40), 1};
    case 1: /* many channels */
        return (normd_geometry){random_extent(state, 20, 600), random_extent(state, 100, 1200), 1};
    case 2: /* short runs */
        return (normd_geometry){random_extent(state, 40, 400), random_extent(state, 7, 40),
            2 + random_below(state, 60)};
    default: /* long runs */
        return (normd_geometry){random_extent(state, 4, 9), random_extent(state, 3, 9),
            random_extent(state, 300, 9000)};
    }
}

/* The whole batch, or any part of it. */
static inline normd_tile tile_random(const normd_geometry *geometry, uint64_t *state)
{
    normd_tile tile = {0, geometry->channels, 0, geometry->outer};
    if (random_below(state, 2) == 0) {
        tile.channel_begin = random_below(state, geometry->channels);
        tile.channel_end =
            tile.channel_begin + 1 + random_below(state, geometry->channels - tile.channel_begin);
    }
    if (random_below(state, 2) == 0) {
        tile.outer_begin = random_below(state, geometry->outer);
        tile.outer_end =
            tile.outer_begin + 1 + random_below(state, geometry->outer - tile.outer_begin);
    }
    return tile;
}

static inline const normd_kernel_set *kernels_of(const normd_kernels *row, int bits)
{
    return bits == 32 ? &row->f32 : &row->f64;
}

#endif
