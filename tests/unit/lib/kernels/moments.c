// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/kernels/tiling.h"
#include "tests/unit/lib/kernels/batch.h"

/*
 * The moments of every row of the table against sums of 113 bits. Mean and variance must come
 * within one last place of a float of the exact result, rounded to float: see BATCHNORM.md for why
 * they do.
 */

typedef struct exact_moments {
    double count;
    quad mean, m2;
} exact_moments;

static exact_moments exact_of(int bits, const void *x, const normd_geometry *geometry,
    const normd_tile *tile, const uint8_t *mask, size_t channel)
{
    exact_moments exact = {0};
    for (int pass = 0; pass < 2; pass++) {
        quad sum = 0;
        size_t count = 0;
        for (size_t o = tile->outer_begin; o < tile->outer_end; o++) {
            for (size_t i = 0; i < geometry->inner; i++) {
                if (mask != NULL && mask[o * geometry->inner + i] == 0) {
                    continue;
                }
                size_t at = (o * geometry->channels + channel) * geometry->inner + i;
                quad value = value_get(bits, x, at);
                sum += pass == 0 ? value : (value - exact.mean) * (value - exact.mean);
                count++;
            }
        }
        exact.count = (double)count;
        exact.mean = pass == 0 && count > 0 ? sum / count : exact.mean;
        exact.m2 = sum;
    }
    return exact;
}

/* How many floats lie between the two, at most a few. */
static int64_t float_steps(float a, float b)
{
    int32_t i, j;
    memcpy(&i, &a, sizeof i);
    memcpy(&j, &b, sizeof j);
    int64_t from = i < 0 ? -(int64_t)(i & INT32_MAX) : i;
    int64_t to = j < 0 ? -(int64_t)(j & INT32_MAX) : j;
    return from < to ? to - from : from - to;
}

static bool within_one_float(double got, quad want)
{
    return float_steps((float)got, (float)want) <= 1;
}

/* Whether mean and variance are right. Where the data are doubles, a mean beyond a double's
   precision of the values is not asked for: doubles carry rounding errors of their own. */
static bool moments_are_right(const normd_moments *got, const exact_moments *want)
{
    if (got->count != want->count) {
        return false;
    }
    if (want->count == 0) {
        return got->mean == 0 && got->mean_low == 0 && got->m2 == 0;
    }
    return within_one_float(got->mean, want->mean) &&
           within_one_float(got->m2 / got->count, want->m2 / want->count);
}

static void check_tile(int bits, const void *x, const normd_geometry *geometry,
    const normd_tile *tile, const uint8_t *mask, data_kind kind)
{
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    normd_moments *got = values_allocate(8 * sizeof *got, geometry->channels);
    for (size_t r = 0; r < rows; r++) {
        if (!table[r].supported()) {
            continue;
        }
        kernels_of(&table[r], bits)->moments(x, geometry, tile, mask, got);
        for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
            exact_moments want = exact_of(bits, x, geometry, tile, mask, c);
            if (!moments_are_right(&got[c], &want)) {
                fail_msg("%s, kind %d, f%d (%zu, %zu, %zu): mean %.17g for %.17g, m2 %.17g for "
                         "%.17g",
                    table[r].name, (int)kind, bits, geometry->outer, geometry->channels,
                    geometry->inner, got[c].mean, (double)want.mean, got[c].m2, (double)want.m2);
            }
        }
    }
    free(got);
}

static void mean_and_variance_are_right_to_the_last_place(void **unused)
{
    (void)unused;
    uint64_t state = 11;
    for (int kind = 0; kind < DATA_KIND_COUNT; kind++) {
        for (int round = 0; round < 8; round++) {
            int bits = round % 2 == 0 ? 32 : 64;
            normd_geometry geometry = geometry_random(&state);
            normd_tile tile = tile_random(&geometry, &state);
            uint8_t *mask = round % 3 == 0 ? mask_random(&geometry, &state) : NULL;
            void *x = values_random(bits, &geometry, (data_kind)kind, &state);
            check_tile(bits, x, &geometry, &tile, mask, (data_kind)kind);
            free(mask);
            free(x);
        }
    }
}

/* Many values of one channel: an outlier as pilot loses as many digits as it can, and several
   blocks with pilots of their own are merged. */
static void long_columns_are_right_too(void **unused)
{
    (void)unused;
    uint64_t state = 12;
    const data_kind kinds[] = {DATA_FIRST_OUTLIER, DATA_TWO_OUTLIERS, DATA_OFFSET_1E8, DATA_WIDE};
    const normd_geometry geometries[] = {{200000, 1, 1}, {1, 1, 200000}, {150, 1, 1300}};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (size_t g = 0; g < sizeof geometries / sizeof geometries[0]; g++) {
            const normd_tile tile = {0, 1, 0, geometries[g].outer};
            void *x = values_random(32, &geometries[g], kinds[k], &state);
            check_tile(32, x, &geometries[g], &tile, NULL, kinds[k]);
            free(x);
        }
    }
}

static void a_constant_column_has_its_value_as_mean_and_no_variance(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    const double values[] = {0.1, -1e30, 0x1p-149, 12345.678, 0};
    const normd_geometry geometries[] = {{40000, 1, 1}, {777, 19, 1}, {300, 2, 49}, {2, 1, 9999}};
    for (size_t g = 0; g < sizeof geometries / sizeof geometries[0]; g++) {
        const normd_geometry *geometry = &geometries[g];
        normd_tile tile = {0, geometry->channels, 0, geometry->outer};
        float *x = values_allocate(32, geometry_values(geometry));
        normd_moments got[19];
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            for (size_t i = 0; i < geometry_values(geometry); i++) {
                x[i] = (float)values[v];
            }
            for (size_t r = 0; r < rows; r++) {
                if (table[r].supported()) {
                    table[r].f32.moments(x, geometry, &tile, NULL, got);
                    assert_true(got[0].mean == (double)(float)values[v]);
                    assert_true(got[0].mean_low == 0);
                    assert_true(got[0].m2 == 0);
                }
            }
        }
        free(x);
    }
}

/* In ordinary data of doubles the moments are right to about the last place of a double: the sum is
   compensated, and m2 loses the chain of at most 256 + 4 + 16 additions and the factor
   1 + (pilot - mean)^2 / variance < 40 of values within six deviations: 280 * 40 * 2^-53 < 2^-39.
   What really happens is far below that. */
static void doubles_keep_their_precision(void **unused)
{
    (void)unused;
    uint64_t state = 13;
    const normd_kernels *row = normd_kernels_choose(NULL);
    for (int round = 0; round < 20; round++) {
        normd_geometry geometry = geometry_random(&state);
        normd_tile tile = {0, geometry.channels, 0, geometry.outer};
        void *x = values_random(64, &geometry, DATA_NORMAL, &state);
        normd_moments *got = values_allocate(8 * sizeof *got, geometry.channels);
        row->f64.moments(x, &geometry, &tile, NULL, got);
        for (size_t c = 0; c < geometry.channels; c++) {
            exact_moments want = exact_of(64, x, &geometry, &tile, NULL, c);
            assert_true(quad_abs((quad)got[c].mean + got[c].mean_low - want.mean) <= 0x1p-90);
            assert_true(quad_abs(got[c].m2 - want.m2) <= want.m2 * 0x1p-39);
        }
        free(got);
        free(x);
    }
}

/* A value that is not finite, wherever it stands and even if masked values surround it, makes the
   moments of its channel, and of that alone, not finite. A masked one does nothing. */
static void values_that_are_not_finite_show_in_their_channel(void **unused)
{
    (void)unused;
    uint64_t state = 14;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    const double odd[] = {NAN, INFINITY, -INFINITY};
    for (int round = 0; round < 300; round++) {
        int bits = round % 2 == 0 ? 32 : 64;
        normd_geometry geometry = geometry_random(&state);
        normd_tile tile = {0, geometry.channels, 0, geometry.outer};
        uint8_t *mask = round % 3 == 0 ? mask_random(&geometry, &state) : NULL;
        void *x = values_random(bits, &geometry, DATA_NORMAL, &state);
        size_t at = random_below(&state, geometry_values(&geometry));
        size_t channel = at / geometry.inner % geometry.channels;
        size_t position =
            at / geometry.inner / geometry.channels * geometry.inner + at % geometry.inner;
        bool counts = mask == NULL || mask[position] != 0;
        value_set(bits, x, at, odd[random_below(&state, 3)]);
        normd_moments *got = values_allocate(8 * sizeof *got, geometry.channels);
        const normd_kernels *row = &table[random_below(&state, rows)];
        if (row->supported()) {
            kernels_of(row, bits)->moments(x, &geometry, &tile, mask, got);
            for (size_t c = 0; c < geometry.channels; c++) {
                bool finite = isfinite(got[c].mean) && isfinite(got[c].m2);
                assert_int_equal(finite, c != channel || !counts);
            }
        }
        free(got);
        free(mask);
        free(x);
    }
}

/* What a caller does: tiles, merged in their order. */
static void merged_tiles_give_the_moments_of_the_batch(void **unused)
{
    (void)unused;
    uint64_t state = 15;
    const normd_kernels *row = normd_kernels_choose(NULL);
    const normd_geometry geometries[] = {{30000, 3, 1}, {1500, 64, 1}, {64, 9, 300}};
    for (size_t g = 0; g < sizeof geometries / sizeof geometries[0]; g++) {
        for (int kind = 0; kind < DATA_KIND_COUNT; kind++) {
            const normd_geometry *geometry = &geometries[g];
            normd_tile whole = {0, geometry->channels, 0, geometry->outer};
            void *x = values_random(32, geometry, (data_kind)kind, &state);
            normd_moments total[64] = {{0}}, part[64] = {{0}};
            for (size_t begin = 0; begin < geometry->outer; begin += 1 + geometry->outer / 7) {
                size_t end = begin + 1 + geometry->outer / 7;
                normd_tile tile = whole;
                tile.outer_begin = begin;
                tile.outer_end = end < geometry->outer ? end : geometry->outer;
                row->f32.moments(x, geometry, &tile, NULL, part);
                row->f32.merge(total, part, geometry->channels);
            }
            for (size_t c = 0; c < geometry->channels; c++) {
                exact_moments want = exact_of(32, x, geometry, &whole, NULL, c);
                assert_true(moments_are_right(&total[c], &want));
            }
            free(x);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_and_variance_are_right_to_the_last_place),
        cmocka_unit_test(long_columns_are_right_too),
        cmocka_unit_test(a_constant_column_has_its_value_as_mean_and_no_variance),
        cmocka_unit_test(doubles_keep_their_precision),
        cmocka_unit_test(values_that_are_not_finite_show_in_their_channel),
        cmocka_unit_test(merged_tiles_give_the_moments_of_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
