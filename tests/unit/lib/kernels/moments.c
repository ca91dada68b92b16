// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/kernels/exact.h"

/*
 * The moments of a batch, from the sums of its tiles, against sums of 113 bits: the tests of sums,
 * centered_sums, moments and centered_moments together.
 *
 * Of plain sums, where they are certain: mean and m2 are right to 2^-26 of themselves.
 *
 * Of centered sums, with u = 2^-53, k additions and d = mean - center:
 *   mean   The sum goes along with its rounding errors, each at most u of sum|x|, whose own sum is
 *          rounded k times; then a division to twice the precision. Below `mean_bound`.
 *   m2     (x - center)^2 has three roundings and goes through k additions, so the squares are
 *          right to (k + 3) u of themselves, m2 + n d^2. From these n d^2 is taken, which has four
 *          roundings, as the difference has one; d is off by what the mean is off. Below
 *          `m2_bound`.
 */
static quad mean_bound(const exact_moments *want, double additions)
{
    return quad_abs(want->mean) * 0x1p-102 + want->size * additions * additions * 0x1p-105;
}

static quad m2_bound(const exact_moments *want, double additions, double center)
{
    quad d = quad_abs(want->mean - center), of_mean = mean_bound(want, additions);
    return (want->m2 + 2 * want->count * d * d) * (additions + 8) * 0x1.01p-53 +
           want->count * of_mean * (2 * d + of_mean);
}

typedef struct checking {
    const char *row;
    storage type;
    data_kind kind;
    normd_geometry geometry;
} checking;

static void fail_channel(
    const checking *of, const computed *got, const exact_moments *want, size_t c)
{
    fail_msg("%s %s, kind %d, (%zu, %zu, %zu), uncertain %d: mean %.17g for %.17g, m2 %.17g for "
             "%.17g",
        of->row, storage_name(of->type), (int)of->kind, of->geometry.outer, of->geometry.channels,
        of->geometry.inner, got->moments.uncertain[c], got->moments.mean[c], (double)want->mean,
        got->moments.m2[c], (double)want->m2);
}

static void check_channel(
    const checking *of, const computed *got, const exact_moments *want, size_t c)
{
    quad mean = (quad)got->moments.mean[c] + got->moments.mean_low[c];
    quad mean_error = quad_abs(mean - want->mean);
    quad m2_error = quad_abs(got->moments.m2[c] - want->m2);
    bool right;
    if (got->moments.uncertain[c] == 0) {
        right = mean_error <= quad_abs(want->mean) * 0x1p-26 && m2_error <= want->m2 * 0x1p-26;
    } else {
        double center = value_get(real_of(of->type), got->center, c);
        right = mean_error <= mean_bound(want, got->additions) &&
                m2_error <= m2_bound(want, got->additions, center);
        /* No float is nearer to the mean than the center, or hardly: d^2 is at most one of the
           (x - mean)^2 on average. For doubles the first mean may be some last places off. */
        if (of->type != STORAGE_F64 && right) {
            right = m2_error <= want->m2 * 4 * (got->additions + 8) * 0x1p-53;
        }
    }
    if (!right) {
        fail_channel(of, got, want, c);
    }
}

static double count_of(const normd_geometry *geometry, const uint8_t *mask)
{
    size_t count = 0;
    for (size_t p = 0; p < geometry->outer * geometry->inner; p++) {
        count += mask == NULL || mask[p] != 0;
    }
    return (double)count;
}

/* Whether the data of a kind are finite and far from the end of the range. */
static bool fits(storage type, data_kind kind)
{
    return type != STORAGE_F16 ||
           (kind != DATA_OFFSET_1E8 && kind != DATA_OUTLIER && kind != DATA_FIRST_OUTLIER &&
               kind != DATA_TWO_OUTLIERS && kind != DATA_WIDE && kind != DATA_LARGE);
}

static void check_batch(
    storage type, data_kind kind, const normd_tiling *tiling, bool masked, uint64_t *state)
{
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    const normd_geometry *geometry = &tiling->geometry;
    uint8_t *mask = masked ? mask_random(geometry, state) : NULL;
    double count = count_of(geometry, mask);
    void *x = values_random(type, geometry, kind, state);
    exact_moments *want = memory_allocate(geometry->channels * sizeof *want);
    for (size_t c = 0; c < geometry->channels; c++) {
        want[c] = exact_of(type, x, geometry, mask, c);
    }
    for (size_t r = 0; r < rows && count > 0; r++) {
        if (table[r].supported()) {
            checking of = {table[r].name, type, kind, *geometry};
            computed got = computed_of(kernels_of(&table[r], type), type, x, tiling, mask, count);
            for (size_t c = 0; c < geometry->channels; c++) {
                check_channel(&of, &got, &want[c], c);
            }
            computed_free(&got);
        }
    }
    free(want);
    free(mask);
    free(x);
}

static void mean_and_variance_are_as_near_as_promised(void **unused)
{
    (void)unused;
    uint64_t state = 11;
    for (int kind = 0; kind < DATA_KIND_COUNT; kind++) {
        for (int round = 0; round < 16; round++) {
            storage type = (storage)(round % STORAGES);
            normd_geometry geometry = geometry_random(&state);
            normd_tiling tiling = normd_tiling_of(&geometry);
            if (fits(type, (data_kind)kind)) {
                check_batch(type, (data_kind)kind, &tiling, random_below(&state, 3) == 0, &state);
            }
        }
    }
}

/* Many values, in many chunks: of rows, of whole runs, and of pieces of a run. */
static void many_chunks_are_right_too(void **unused)
{
    (void)unused;
    uint64_t state = 12;
    const data_kind kinds[] = {DATA_NORMAL, DATA_FIRST_OUTLIER, DATA_TWO_OUTLIERS, DATA_OFFSET_1E8,
        DATA_WIDE, DATA_ALTERNATING, DATA_ONE_TINY};
    const normd_geometry geometries[] = {
        {60000, 1, 1}, {1700, 40, 1}, {1, 1, 60001}, {45, 1, 1300}, {9000, 1, 5}};
    for (size_t g = 0; g < sizeof geometries / sizeof geometries[0]; g++) {
        normd_tiling tiling = normd_tiling_of(&geometries[g]);
        assert_true(tiling.chunks > 1);
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            check_batch(k % 3 == 2 ? STORAGE_F64 : STORAGE_F32, kinds[k], &tiling, false, &state);
        }
    }
}

/* With a mean of 0.1, so that the sums would not do for any type. */
static void a_constant_column_has_its_value_as_mean_and_no_variance(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    const double values[] = {0.1, -60000, 0x1p-24, 12345.678, 0, -0.0, 1e-30, 3e38};
    const normd_geometry geometries[] = {{17000, 1, 1}, {777, 19, 1}, {300, 2, 49}, {2, 1, 9999}};
    for (size_t n = 0; n < 4 * sizeof values / sizeof values[0]; n++) {
        const normd_geometry *geometry = &geometries[n % 4];
        storage type = (storage)(n / 4 % STORAGES);
        normd_tiling tiling = normd_tiling_of(geometry);
        void *x = values_allocate(type, geometry_values(geometry));
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            for (size_t i = 0; i < geometry_values(geometry); i++) {
                value_set(type, x, i, values[v]);
            }
            double value = value_get(type, x, 0);
            for (size_t r = 0; r < rows && isfinite(value); r++) {
                if (table[r].supported()) {
                    computed got = computed_of(kernels_of(&table[r], type), type, x, &tiling, NULL,
                        (double)(geometry->outer * geometry->inner));
                    assert_true(got.moments.mean[0] == value);
                    assert_true(got.moments.m2[0] == 0);
                    /* Below the last place of twice the precision. */
                    assert_true(fabs(got.moments.mean_low[0]) <= 0x1p-104 * fabs(value));
                    assert_int_equal(got.moments.uncertain[0], value != 0);
                    computed_free(&got);
                }
            }
        }
        free(x);
    }
}

/* v and -v as often as each other. */
static void what_cancels_has_mean_zero(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    const normd_geometry geometries[] = {{1000, 3, 1}, {40000, 1, 1}, {2, 2, 5000}, {60, 3, 6}};
    for (size_t n = 0; n < 16; n++) {
        const normd_geometry *geometry = &geometries[n % 4];
        storage type = (storage)(n / 4);
        normd_tiling tiling = normd_tiling_of(geometry);
        uint64_t state = n;
        void *x = values_allocate(type, geometry_values(geometry));
        size_t positions = geometry->outer * geometry->inner;
        for (size_t c = 0; c < geometry->channels; c++) {
            for (size_t p = 0; p < positions / 2; p++) {
                /* Mirrored, so that the two halves meet late. */
                size_t places[] = {p, positions - 1 - p};
                double value = 30 * random_normal(&state);
                for (size_t s = 0; s < 2; s++) {
                    size_t o = places[s] / geometry->inner, i = places[s] % geometry->inner;
                    value_set(type, x, (o * geometry->channels + c) * geometry->inner + i,
                        s == 0 ? value : -value);
                }
            }
        }
        for (size_t r = 0; r < rows; r++) {
            if (table[r].supported()) {
                computed got = computed_of(
                    kernels_of(&table[r], type), type, x, &tiling, NULL, (double)positions);
                for (size_t c = 0; c < geometry->channels; c++) {
                    assert_int_equal(got.moments.uncertain[c], 1);
                    if (type != STORAGE_F64) {
                        assert_true(got.moments.mean[c] == 0 && got.moments.mean_low[c] == 0);
                    }
                }
                computed_free(&got);
            }
        }
        free(x);
    }
}

/*
 * When plain sums of floats must do: BATCHNORM.md asks that 3 (k + 4) 2^-53 sum x^2 be at most
 * 2^-26 m2, and (k + 4) 2^-53 rms at most 2^-26 |mean|. In these batches k is below 1000, so m2 of
 * 2^-14 sum x^2 and a mean of 2^-16 rms are more than enough, which nearly all ordinary data have.
 */
static void ordinary_data_need_no_second_sums(void **unused)
{
    (void)unused;
    uint64_t state = 15;
    const normd_kernels *row = normd_kernels_choose(NULL);
    const data_kind kinds[] = {DATA_NORMAL, DATA_RELU, DATA_UNIFORM, DATA_OFFSET_1E8, DATA_NARROW};
    size_t certain = 0, channels = 0;
    for (int round = 0; round < 200; round++) {
        data_kind kind = kinds[round % 5];
        bool ordinary = round % 5 < 3;
        storage type = round % 2 == 0 || !ordinary ? STORAGE_F32 : STORAGE_BF16;
        normd_geometry geometry = geometry_random(&state);
        normd_tiling tiling = normd_tiling_of(&geometry);
        double count = (double)(geometry.outer * geometry.inner);
        void *x = values_random(type, &geometry, kind, &state);
        computed got = computed_of(kernels_of(row, type), type, x, &tiling, NULL, count);
        assert_true(got.additions < 1000);
        for (size_t c = 0; c < geometry.channels; c++) {
            exact_moments want = exact_of(type, x, &geometry, NULL, c);
            quad enough = want.square / want.count * 0x1p-32;
            if (!ordinary) {
                assert_int_equal(got.moments.uncertain[c], 1);
            } else if (want.m2 >= want.square * 0x1p-14 && want.mean * want.mean >= enough) {
                assert_int_equal(got.moments.uncertain[c], 0);
            }
            channels += ordinary && count >= 8;
            certain += ordinary && count >= 8 && got.moments.uncertain[c] == 0;
        }
        computed_free(&got);
        free(x);
    }
    /* A mean within 2^-16 of 0 has a chance of some 2^-16 sqrt(n). */
    assert_true(certain * 100 >= channels * 99);
}

/* A value that is not finite, wherever it stands and even if masked values surround it, makes the
   moments of its channel, and of that alone, not finite: there is nothing more to sum. A masked one
   does nothing. */
static void values_that_are_not_finite_show_in_their_channel(void **unused)
{
    (void)unused;
    uint64_t state = 14;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    const double odd[] = {NAN, INFINITY, -INFINITY};
    for (int round = 0; round < 400; round++) {
        storage type = (storage)(round % STORAGES);
        normd_geometry geometry = geometry_random(&state);
        normd_tiling tiling = normd_tiling_of(&geometry);
        uint8_t *mask = random_below(&state, 3) == 0 ? mask_random(&geometry, &state) : NULL;
        void *x = values_random(type, &geometry, DATA_NORMAL, &state);
        size_t at = random_below(&state, geometry_values(&geometry));
        size_t channel = at / geometry.inner % geometry.channels;
        size_t position =
            at / geometry.inner / geometry.channels * geometry.inner + at % geometry.inner;
        bool counts = mask == NULL || mask[position] != 0;
        double count = count_of(&geometry, mask);
        value_set(type, x, at, odd[random_below(&state, 3)]);
        const normd_kernels *row = &table[random_below(&state, rows)];
        if (row->supported() && count > 0) {
            computed got = computed_of(kernels_of(row, type), type, x, &tiling, mask, count);
            for (size_t c = 0; c < geometry.channels; c++) {
                bool finite = isfinite(got.moments.mean[c]) && isfinite(got.moments.m2[c]);
                assert_int_equal(finite, c != channel || !counts);
                assert_true(finite || got.moments.uncertain[c] == 0);
            }
            computed_free(&got);
        }
        free(mask);
        free(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_and_variance_are_as_near_as_promised),
        cmocka_unit_test(many_chunks_are_right_too),
        cmocka_unit_test(a_constant_column_has_its_value_as_mean_and_no_variance),
        cmocka_unit_test(what_cancels_has_mean_zero),
        cmocka_unit_test(ordinary_data_need_no_second_sums),
        cmocka_unit_test(values_that_are_not_finite_show_in_their_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
