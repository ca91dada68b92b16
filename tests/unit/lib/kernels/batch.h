// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_LIB_KERNELS_BATCH_H
#define NORMD_TESTS_UNIT_LIB_KERNELS_BATCH_H

/* Random and adversarial batches for the tests of the kernels. */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kernels/half.h"
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
    X(UNIFORM)       /* from -1 to 1 */                                                            \
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
    case DATA_UNIFORM:
        return random_unit(state);
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

/* The storage types, and what is known of each. */
typedef enum storage { STORAGE_F32, STORAGE_F64, STORAGE_F16, STORAGE_BF16 } storage;
enum { STORAGES = 4 };

static inline const normd_kernel_set *kernels_of(const normd_kernels *row, storage type)
{
    const normd_kernel_set *const sets[] = {&row->f32, &row->f64, &row->f16, &row->bf16};
    return sets[type];
}

static inline const char *storage_name(storage type)
{
    const char *const names[] = {"f32", "f64", "f16", "bf16"};
    return names[type];
}

static inline size_t storage_bytes(storage type)
{
    return type == STORAGE_F64 ? 8 : type == STORAGE_F32 ? 4 : 2;
}

/* The type that is computed with, and that coefficients have. */
static inline storage real_of(storage type)
{
    return type == STORAGE_F64 ? STORAGE_F64 : STORAGE_F32;
}

/* Half of the distance from 1 to the next value, and the least positive value. */
static inline double storage_unit(storage type)
{
    const double units[] = {0x1p-24, 0x1p-53, 0x1p-11, 0x1p-8};
    return units[type];
}

static inline double storage_least(storage type)
{
    const double least[] = {0x1p-149, 0x1p-1074, 0x1p-24, 0x1p-133};
    return least[type];
}

static inline double value_get(storage type, const void *values, size_t index)
{
    switch (type) {
    case STORAGE_F32:
        return (double)((const float *)values)[index];
    case STORAGE_F64:
        return ((const double *)values)[index];
    case STORAGE_F16:
        return (double)normd_f16_widen(((const uint16_t *)values)[index]);
    case STORAGE_BF16:
        break;
    }
    return (double)normd_bf16_widen(((const uint16_t *)values)[index]);
}

static inline void value_set(storage type, void *values, size_t index, double value)
{
    switch (type) {
    case STORAGE_F32:
        ((float *)values)[index] = (float)value;
        return;
    case STORAGE_F64:
        ((double *)values)[index] = value;
        return;
    case STORAGE_F16:
        ((uint16_t *)values)[index] = normd_f16_narrow((float)value);
        return;
    case STORAGE_BF16:
        break;
    }
    ((uint16_t *)values)[index] = normd_bf16_narrow((float)value);
}

static inline size_t geometry_values(const normd_geometry *geometry)
{
    return geometry->outer * geometry->channels * geometry->inner;
}

/* Memory of exactly the size needed, so that a sanitizer sees what is read or written beyond it. */
static inline void *memory_allocate(size_t bytes)
{
    void *memory = malloc(bytes + (bytes == 0));
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static inline void *values_allocate(storage type, size_t count)
{
    return memory_allocate(count * storage_bytes(type));
}

/* Fills in the values of a batch. */
static inline void values_fill(
    storage type, void *values, const normd_geometry *geometry, data_kind kind, uint64_t *state)
{
    size_t count = geometry->outer * geometry->inner;
    for (size_t c = 0; c < geometry->channels; c++) {
        size_t chosen = count == 0 ? 0 : random_below(state, count);
        for (size_t p = 0; p < count; p++) {
            size_t outer = p / geometry->inner, inner = p % geometry->inner;
            size_t at = (outer * geometry->channels + c) * geometry->inner + inner;
            value_set(type, values, at, random_value(kind, p, count, chosen, state));
        }
    }
}

static inline void *values_random(
    storage type, const normd_geometry *geometry, data_kind kind, uint64_t *state)
{
    void *values = values_allocate(type, geometry_values(geometry));
    values_fill(type, values, geometry, kind, state);
    return values;
}

/* `count` coefficients of the size of `scale`. */
static inline void *coefficients_random(storage real, size_t count, double scale, uint64_t *state)
{
    void *values = values_allocate(real, count);
    for (size_t i = 0; i < count; i++) {
        value_set(real, values, i, scale * random_normal(state));
    }
    return values;
}

/* `count` bytes, some of them zero. */
static inline uint8_t *bytes_random(size_t count, uint64_t *state)
{
    uint8_t *bytes = memory_allocate(count);
    size_t rarity = 1 + random_below(state, 5);
    for (size_t i = 0; i < count; i++) {
        bytes[i] = random_below(state, rarity + 1) == 0 ? 0 : (uint8_t)(1 + i % 255);
    }
    return bytes;
}

static inline uint8_t *mask_random(const normd_geometry *geometry, uint64_t *state)
{
    return bytes_random(geometry->outer * geometry->inner, state);
}

static inline size_t random_extent(uint64_t *state, size_t small, size_t large)
{
    return 1 + random_below(state, random_below(state, 4) == 0 ? large : small);
}

/* Odd sizes, one channel, one row, rows of few and of many channels, of one value and of several,
   short and long runs; some thousand values as a rule, at most 40000. */
static inline normd_geometry geometry_random(uint64_t *state)
{
    switch (random_below(state, 7)) {
    case 0: /* many rows of few channels: segments of several lanes */
        return (normd_geometry){random_extent(state, 600, 9000), random_extent(state, 3, 4), 1};
    case 1:
        return (normd_geometry){random_extent(state, 300, 700), random_extent(state, 9, 50), 1};
    case 2: /* many channels, and more than fit into a strip */
        return (normd_geometry){random_extent(state, 9, 30), random_extent(state, 130, 1300), 1};
    case 3: /* rows of several values of a channel */
        return (normd_geometry){
            random_extent(state, 60, 600), random_extent(state, 4, 6), 2 + random_below(state, 14)};
    case 4:
        return (normd_geometry){random_extent(state, 6, 20), random_extent(state, 20, 120),
            2 + random_below(state, 14)};
    case 5: /* short runs, around whole groups of 16 */
        return (normd_geometry){random_extent(state, 20, 80), random_extent(state, 3, 8),
            16 * (1 + random_below(state, 4)) + random_below(state, 4)};
    default: /* long runs, around whole segments of 4096 */
        return (normd_geometry){random_extent(state, 2, 2), random_extent(state, 1, 2),
            random_below(state, 3) == 0
                ? 16 + random_below(state, 3000)
                : 4096 * (1 + random_below(state, 2)) - 2 + random_below(state, 20)};
    }
}

static inline normd_tile tile_whole(const normd_geometry *geometry)
{
    return (normd_tile){0, geometry->channels, 0, geometry->outer, 0, geometry->inner};
}

/* Of [0, extent) all, or every second time a part that is not empty. */
static inline void range_random(size_t extent, size_t *begin, size_t *end, uint64_t *state)
{
    *begin = 0;
    *end = extent;
    if (random_below(state, 2) == 0) {
        *begin = random_below(state, extent);
        *end = *begin + 1 + random_below(state, extent - *begin);
    }
}

/* The whole batch, or any part of it; of rows all values. */
static inline normd_tile tile_random(const normd_geometry *geometry, uint64_t *state)
{
    normd_tile tile = tile_whole(geometry);
    range_random(geometry->channels, &tile.channel_begin, &tile.channel_end, state);
    range_random(geometry->outer, &tile.outer_begin, &tile.outer_end, state);
    if (geometry->inner >= 16) {
        range_random(geometry->inner, &tile.inner_begin, &tile.inner_end, state);
    }
    return tile;
}

#endif
