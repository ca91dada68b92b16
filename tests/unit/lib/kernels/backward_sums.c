// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/kernels/batch.h"

/*
 * The sums of backward against sums of 113 bits, with the bounds of BATCHNORM.md: each value goes
 * through at most `k` additions. In a lane these are 256, or 2048 where rows are as short as two
 * values; merging 16 lanes takes 4, and adding the segments of these small batches less than 100.
 */
enum { ADDITIONS = 2048 + 4 + 100 };

typedef struct exact_sums {
    quad dy, dy_centered;
    quad dy_bound, dy_centered_bound;
} exact_sums;

static exact_sums exact_of(int bits, const void *x, const void *dy, const normd_geometry *geometry,
    const normd_tile *tile, size_t channel, double high, double low)
{
    exact_sums exact = {0};
    for (size_t o = tile->outer_begin; o < tile->outer_end; o++) {
        for (size_t i = 0; i < geometry->inner; i++) {
            size_t at = (o * geometry->channels + channel) * geometry->inner + i;
            quad gradient = value_get(bits, dy, at), distance = value_get(bits, x, at) - (quad)high;
            quad centered = distance - low;
            exact.dy += gradient;
            exact.dy_centered += gradient * centered;
            exact.dy_bound += quad_abs(gradient) * ADDITIONS;
            exact.dy_centered_bound +=
                quad_abs(gradient) * (quad_abs(distance) + (ADDITIONS + 2) * quad_abs(centered));
        }
    }
    exact.dy_bound *= 0x1.01p-53; /* and some for the terms of second order */
    exact.dy_centered_bound *= 0x1.01p-53;
    return exact;
}

static void sums_lie_within_the_error_bounds(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 31;
    for (int round = 0; round < 5 * DATA_KIND_COUNT; round++) {
        data_kind kind = (data_kind)(round % DATA_KIND_COUNT);
        int bits = random_below(&state, 2) == 0 ? 32 : 64;
        normd_geometry geometry = geometry_random(&state);
        normd_tile tile = tile_random(&geometry, &state);
        void *x = values_random(bits, &geometry, kind, &state);
        void *dy = values_random(
            bits, &geometry, round % 2 == 0 ? DATA_NORMAL : DATA_TWO_OUTLIERS, &state);
        void *high = coefficients_random(bits, geometry.channels, 1e4, &state);
        void *low = coefficients_random(bits, geometry.channels, 1e-4, &state);
        normd_backward_sums *got = values_allocate(8 * sizeof *got, geometry.channels);
        for (size_t r = 0; r < rows; r++) {
            if (!table[r].supported()) {
                continue;
            }
            kernels_of(&table[r], bits)->backward_sums(x, dy, &geometry, &tile, high, low, got);
            for (size_t c = tile.channel_begin; c < tile.channel_end; c++) {
                exact_sums want = exact_of(bits, x, dy, &geometry, &tile, c,
                    value_get(bits, high, c), value_get(bits, low, c));
                assert_true(quad_abs(got[c].dy - want.dy) <= want.dy_bound);
                assert_true(
                    quad_abs(got[c].dy_centered - want.dy_centered) <= want.dy_centered_bound);
            }
        }
        free(got);
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
