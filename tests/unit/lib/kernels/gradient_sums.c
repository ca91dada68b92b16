// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/kernels/tiling.h"
#include "tests/unit/lib/kernels/batch.h"

/*
 * The sums of backward, about 0 and about a mean, against sums of 113 bits. With u = 2^-53 and at
 * most k additions (normd_tiling_additions):
 *   dy            k u sum|dy|
 *   dy x          (k + 1) u sum|dy x|, where only products of doubles are rounded
 *   dy (x - mean) u sum(|dy| (|x - mean_high| + (k + 2) |x - mean|))
 */
typedef struct exact_sums {
    quad dy, dy_x, dy_centered;
    quad dy_bound, dy_x_bound, dy_centered_bound;
} exact_sums;

static exact_sums exact_of(storage type, const void *x, const void *dy, const normd_tiling *tiling,
    size_t channel, double high, double low)
{
    const normd_geometry *geometry = &tiling->geometry;
    double k = normd_tiling_additions(tiling);
    exact_sums exact = {0};
    for (size_t p = 0; p < geometry->outer * geometry->inner; p++) {
        size_t o = p / geometry->inner, i = p % geometry->inner;
        size_t at = (o * geometry->channels + channel) * geometry->inner + i;
        quad gradient = value_get(type, dy, at), value = value_get(type, x, at);
        quad distance = value - high, centered = distance - low, size = quad_abs(gradient);
        exact.dy += gradient;
        exact.dy_x += gradient * value;
        exact.dy_centered += gradient * centered;
        exact.dy_bound += size * k;
        exact.dy_x_bound += size * quad_abs(value) * (k + 1);
        exact.dy_centered_bound += size * (quad_abs(distance) + (k + 2) * quad_abs(centered));
    }
    exact.dy_bound *= 0x1.01p-53; /* and some for the terms of second order */
    exact.dy_x_bound *= 0x1.01p-53;
    exact.dy_centered_bound *= 0x1.01p-53;
    return exact;
}

/* Of the whole batch: tile by tile, added up. */
typedef struct totals {
    normd_gradient_sums *plain, *centered;
} totals;

static void add_tile(
    normd_gradient_sums *total, const normd_gradient_sums *part, const normd_tile *tile, bool first)
{
    for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
        total[c].dy = first ? part[c].dy : total[c].dy + part[c].dy;
        total[c].dy_x = first ? part[c].dy_x : total[c].dy_x + part[c].dy_x;
    }
}

static totals totals_of(const normd_kernel_set *kernels, const void *x, const void *dy,
    const normd_tiling *tiling, const void *high, const void *low)
{
    const normd_geometry *geometry = &tiling->geometry;
    size_t bytes = geometry->channels * sizeof(normd_gradient_sums);
    totals got = {memory_allocate(bytes), memory_allocate(bytes)};
    normd_gradient_sums *part = memory_allocate(bytes);
    for (size_t t = 0; t < normd_tiling_tiles(tiling); t++) {
        normd_tile tile = normd_tiling_tile(tiling, t);
        kernels->gradient_sums(x, dy, geometry, &tile, NULL, part);
        add_tile(got.plain, part, &tile, t < tiling->ranges);
        kernels->centered_gradient_sums(x, dy, geometry, &tile, NULL, high, low, NULL, part);
        add_tile(got.centered, part, &tile, t < tiling->ranges);
    }
    free(part);
    return got;
}

static void sums_lie_within_the_error_bounds(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 31;
    for (int round = 0; round < 2 * STORAGES * DATA_KIND_COUNT; round++) {
        data_kind kind = (data_kind)(round / STORAGES % DATA_KIND_COUNT);
        storage type = (storage)(round % STORAGES), real = real_of(type);
        normd_geometry geometry = geometry_random(&state);
        normd_tiling tiling = normd_tiling_of(&geometry);
        void *x = values_random(type, &geometry, kind, &state);
        void *dy =
            values_random(type, &geometry, round % 3 == 0 ? DATA_ALTERNATING : DATA_NORMAL, &state);
        void *high = coefficients_random(real, geometry.channels, 1e4, &state);
        void *low = coefficients_random(real, geometry.channels, 1e-4, &state);
        for (size_t r = 0; r < rows; r++) {
            if (!table[r].supported()) {
                continue;
            }
            totals got = totals_of(kernels_of(&table[r], type), x, dy, &tiling, high, low);
            for (size_t c = 0; c < geometry.channels; c++) {
                exact_sums want = exact_of(
                    type, x, dy, &tiling, c, value_get(real, high, c), value_get(real, low, c));
                if (isfinite((double)want.dy_x_bound)) {
                    assert_true(quad_abs(got.plain[c].dy - want.dy) <= want.dy_bound);
                    assert_true(quad_abs(got.plain[c].dy_x - want.dy_x) <= want.dy_x_bound);
                    assert_true(got.centered[c].dy == got.plain[c].dy);
                    assert_true(quad_abs(got.centered[c].dy_x - want.dy_centered) <=
                                want.dy_centered_bound);
                } else {
                    assert_false(isfinite(got.plain[c].dy_x) && isfinite(got.centered[c].dy_x));
                }
            }
            free(got.plain);
            free(got.centered);
        }
        free(high);
        free(low);
        free(x);
        free(dy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_lie_within_the_error_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
