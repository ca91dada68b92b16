// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_LIB_KERNELS_EXACT_H
#define NORMD_TESTS_UNIT_LIB_KERNELS_EXACT_H

/* Moments in 113 bits, and those that the kernels give for a batch. */

#include "lib/kernels/tiling.h"
#include "tests/unit/lib/kernels/batch.h"

typedef struct exact_moments {
    double count;
    quad mean, m2;
    quad size;   /* the mean of |x| */
    quad square; /* the sum of x^2 */
} exact_moments;

static inline exact_moments exact_of(storage type, const void *x, const normd_geometry *geometry,
    const uint8_t *mask, size_t channel)
{
    exact_moments exact = {0};
    size_t positions = geometry->outer * geometry->inner;
    quad sum = 0, size = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t p = 0; p < positions; p++) {
            if (mask != NULL && mask[p] == 0) {
                continue;
            }
            size_t o = p / geometry->inner, i = p % geometry->inner;
            quad value =
                value_get(type, x, (o * geometry->channels + channel) * geometry->inner + i);
            if (pass == 0) {
                sum += value;
                size += quad_abs(value);
                exact.square += value * value;
                exact.count++;
            } else {
                exact.m2 += (value - exact.mean) * (value - exact.mean);
            }
        }
        exact.mean = exact.count > 0 ? sum / exact.count : 0;
        exact.size = exact.count > 0 ? size / exact.count : 0;
    }
    return exact;
}

/* What a forward computes: moments of C channels in arrays of their own. */
typedef struct computed {
    normd_channel_moments moments;
    void *center; /* of the centered sums, C values of the real type */
    bool any_uncertain;
    double additions;
} computed;

static inline computed computed_allocate(storage type, size_t channels)
{
    return (computed){
        .moments =
            {
                .mean = memory_allocate(channels * sizeof(double)),
                .mean_low = memory_allocate(channels * sizeof(double)),
                .m2 = memory_allocate(channels * sizeof(double)),
                .uncertain = memory_allocate(channels),
            },
        .center = values_allocate(real_of(type), channels),
    };
}

static inline void computed_free(computed *of)
{
    free(of->moments.mean);
    free(of->moments.mean_low);
    free(of->moments.m2);
    free(of->moments.uncertain);
    free(of->center);
}

/* Sums tile after tile, and once more about the mean, as a forward does. */
static inline computed computed_of(const normd_kernel_set *kernels, storage type, const void *x,
    const normd_tiling *tiling, const uint8_t *mask, double count)
{
    const normd_geometry *geometry = &tiling->geometry;
    size_t channels = geometry->channels, chunks = tiling->chunks;
    size_t tiles = normd_tiling_tiles(tiling);
    computed got = computed_allocate(type, channels);
    got.additions = normd_tiling_additions(tiling);
    normd_sums *sums = memory_allocate(chunks * channels * sizeof *sums);
    normd_centered_sums *centered = memory_allocate(chunks * channels * sizeof *centered);
    for (size_t t = 0; t < tiles; t++) {
        normd_tile tile = normd_tiling_tile(tiling, t);
        kernels->sums(x, geometry, &tile, mask, sums + t / tiling->ranges * channels);
    }
    got.any_uncertain =
        kernels->moments(sums, chunks, channels, count, got.additions, 0, channels, &got.moments);
    for (size_t c = 0; c < channels; c++) {
        value_set(real_of(type), got.center, c, got.moments.mean[c]);
    }
    for (size_t t = 0; t < tiles && got.any_uncertain; t++) {
        normd_tile tile = normd_tiling_tile(tiling, t);
        kernels->centered_sums(x, geometry, &tile, mask, got.center, got.moments.uncertain,
            centered + t / tiling->ranges * channels);
    }
    if (got.any_uncertain) {
        kernels->centered_moments(
            centered, chunks, channels, count, got.center, 0, channels, &got.moments);
    }
    free(sums);
    free(centered);
    return got;
}

#endif
