// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/kernels/batch.h"

/*
 * normalize and backward of every row of the table against the formulas in 113 bits, with the
 * error bounds of BATCHNORM.md: the units are those of the real type, and where less is stored one
 * more rounding to that comes in. `SLACK` covers the terms of second order in the unit roundoff;
 * the least positive number is added for results that underflow.
 */
#define SLACK 1.001

/* Coefficients of one batch: arrays of C values. */
typedef struct coefficients {
    storage type; /* of the batch */
    void *high, *low, *scale, *bias, *mean_dy, *slope;
} coefficients;

/* mean_low is what a mean split in two leaves: below the last place of mean_high. */
static coefficients coefficients_make(storage type, size_t channels, double offset, uint64_t *state)
{
    storage real = real_of(type);
    coefficients of = {.type = type,
        .high = coefficients_random(real, channels, 1, state),
        .low = coefficients_random(real, channels, offset * storage_unit(real), state),
        .scale = coefficients_random(real, channels, 3, state),
        .bias = coefficients_random(real, channels, 1, state),
        .mean_dy = coefficients_random(real, channels, 0.1, state),
        .slope = coefficients_random(real, channels, 0.3, state)};
    for (size_t c = 0; c < channels; c++) {
        value_set(real, of.high, c, offset + value_get(real, of.high, c));
    }
    return of;
}

static void coefficients_free(coefficients *of)
{
    free(of->high);
    free(of->low);
    free(of->scale);
    free(of->bias);
    free(of->mean_dy);
    free(of->slope);
}

static quad coefficient(const coefficients *of, const void *values, size_t channel)
{
    return value_get(real_of(of->type), values, channel);
}

/* |x - mean_high| and x - mean, exactly. */
static quad distance_of(const coefficients *of, quad x, size_t channel)
{
    return quad_abs(x - coefficient(of, of->high, channel));
}

static quad centered_of(const coefficients *of, quad x, size_t channel)
{
    return x - coefficient(of, of->high, channel) - coefficient(of, of->low, channel);
}

/* Whether `got` is `want`, up to an error of `units` of the real type before it is stored. */
static bool is_right(const coefficients *of, double got, quad want, quad units, double factor)
{
    storage real = real_of(of->type);
    quad error = SLACK * storage_unit(real) * units + storage_least(real) * factor;
    if (of->type != real) {
        error += SLACK * storage_unit(of->type) * (quad_abs(want) + error);
        error += storage_least(of->type);
    }
    return quad_abs(got - want) <= error;
}

static bool y_is_right(const coefficients *of, double x, double y, size_t channel)
{
    quad scale = coefficient(of, of->scale, channel);
    quad centered = centered_of(of, x, channel);
    quad want = centered * scale + coefficient(of, of->bias, channel);
    quad units = quad_abs(scale) * (distance_of(of, x, channel) + 3 * quad_abs(centered));
    return is_right(of, y, want, units + quad_abs(want), 1);
}

static bool dx_is_right(
    const coefficients *of, double x, double dy, double dx, size_t channel, bool counts)
{
    quad scale = coefficient(of, of->scale, channel);
    if (!counts) {
        return is_right(of, dx, dy * scale, quad_abs(dy * scale), 1);
    }
    quad slope = coefficient(of, of->slope, channel);
    quad centered = centered_of(of, x, channel);
    quad shifted = dy - coefficient(of, of->mean_dy, channel);
    quad difference = shifted - centered * slope;
    quad inner = quad_abs(shifted) + quad_abs(difference) +
                 quad_abs(slope) * (distance_of(of, x, channel) + 2 * quad_abs(centered));
    quad want = difference * scale;
    return is_right(
        of, dx, want, quad_abs(scale) * inner + quad_abs(want), 1 + fabs((double)scale));
}

typedef struct batch {
    storage type;
    normd_geometry geometry;
    uint8_t *mask;
    void *x, *dy, *y, *dx;
} batch;

static batch batch_random(storage type, data_kind kind, uint64_t *state)
{
    batch of = {.type = type, .geometry = geometry_random(state)};
    size_t values = geometry_values(&of.geometry);
    of.x = values_random(type, &of.geometry, kind, state);
    of.dy = values_random(type, &of.geometry, DATA_NORMAL, state);
    of.y = values_allocate(type, values);
    of.dx = values_allocate(type, values);
    of.mask = random_below(state, 3) == 0 ? mask_random(&of.geometry, state) : NULL;
    return of;
}

static void batch_free(batch *of)
{
    free(of->x);
    free(of->dy);
    free(of->y);
    free(of->dx);
    free(of->mask);
}

static normd_normalizer normalizer_of(const coefficients *with, bool relu)
{
    return (normd_normalizer){with->high, with->low, with->scale, with->bias, relu};
}

static normd_backprojector backprojector_of(const coefficients *with)
{
    return (normd_backprojector){with->high, with->low, with->mean_dy, with->slope, with->scale};
}

static void check_row(const normd_kernels *row, const batch *of, const coefficients *with)
{
    const normd_kernel_set *kernels = kernels_of(row, of->type);
    const normd_geometry *g = &of->geometry;
    normd_tile tile = tile_whole(g);
    normd_normalizer normalizer = normalizer_of(with, false);
    normd_backprojector backprojector = backprojector_of(with);
    kernels->normalize(of->x, of->y, g, &tile, &normalizer, NORMD_STORES_CACHED);
    kernels->backward(
        of->x, of->dy, of->dx, g, &tile, of->mask, NULL, &backprojector, NORMD_STORES_CACHED);
    for (size_t i = 0; i < geometry_values(g); i++) {
        size_t channel = i / g->inner % g->channels;
        size_t position = i / g->inner / g->channels * g->inner + i % g->inner;
        double x = value_get(of->type, of->x, i), dy = value_get(of->type, of->dy, i);
        double y = value_get(of->type, of->y, i), dx = value_get(of->type, of->dx, i);
        bool counts = of->mask == NULL || of->mask[position] != 0;
        if (!y_is_right(with, x, y, channel) || !dx_is_right(with, x, dy, dx, channel, counts)) {
            fail_msg("%s, %s (%zu, %zu, %zu), value %zu: x %.17g, dy %.17g, y %.17g, dx %.17g",
                row->name, storage_name(of->type), g->outer, g->channels, g->inner, i, x, dy, y,
                dx);
        }
    }
}

/* Whether no result comes near the end of the range. */
static bool fits(storage type, data_kind kind)
{
    bool large = kind == DATA_LARGE;
    bool wide = kind == DATA_OFFSET_1E8 || kind == DATA_OUTLIER || kind == DATA_FIRST_OUTLIER ||
                kind == DATA_TWO_OUTLIERS || kind == DATA_WIDE || kind == DATA_NARROW;
    return !large && (type != STORAGE_F16 || !wide);
}

static void results_lie_within_the_error_bounds(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 21;
    for (int round = 0; round < STORAGES * DATA_KIND_COUNT; round++) {
        data_kind kind = (data_kind)(round / STORAGES);
        storage type = (storage)(round % STORAGES);
        if (!fits(type, kind)) {
            continue;
        }
        double offset = kind == DATA_OFFSET_1E8 ? 1e8 : kind == DATA_NARROW ? 1e4 : 0.5;
        batch of = batch_random(type, kind, &state);
        coefficients with = coefficients_make(type, of.geometry.channels, offset, &state);
        for (size_t r = 0; r < rows; r++) {
            if (table[r].supported()) {
                check_row(&table[r], &of, &with);
            }
        }
        coefficients_free(&with);
        batch_free(&of);
    }
}

/* In inference mode dx = dy * scale, and the other coefficients need not be there. */
static void with_constant_statistics_only_the_scale_counts(void **unused)
{
    (void)unused;
    const normd_kernels *row = normd_kernels_choose(NULL);
    uint64_t state = 22;
    for (int round = 0; round < 40; round++) {
        batch of = batch_random((storage)(round % STORAGES), DATA_NORMAL, &state);
        coefficients with = coefficients_make(of.type, of.geometry.channels, 0.5, &state);
        const normd_backprojector backprojector = {.scale = with.scale};
        normd_tile tile = tile_whole(&of.geometry);
        kernels_of(row, of.type)
            ->backward(of.x, of.dy, of.dx, &of.geometry, &tile, of.mask, NULL, &backprojector,
                NORMD_STORES_CACHED);
        for (size_t i = 0; i < geometry_values(&of.geometry); i++) {
            assert_true(dx_is_right(&with, 0, value_get(of.type, of.dy, i),
                value_get(of.type, of.dx, i), i / of.geometry.inner % of.geometry.channels, false));
        }
        coefficients_free(&with);
        batch_free(&of);
    }
}

/* Of every kind of data, and with NaN: a fused ReLU is a ReLU of what normalize gives. */
static void a_fused_relu_gives_what_is_not_negative(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 23;
    for (int round = 0; round < STORAGES * DATA_KIND_COUNT; round++) {
        data_kind kind = (data_kind)(round / STORAGES);
        batch of = batch_random((storage)(round % STORAGES), kind, &state);
        value_set(of.type, of.x, random_below(&state, geometry_values(&of.geometry)), NAN);
        coefficients with = coefficients_make(of.type, of.geometry.channels, 0.5, &state);
        normd_normalizer plain = normalizer_of(&with, false), fused = normalizer_of(&with, true);
        normd_tile tile = tile_whole(&of.geometry);
        for (size_t r = 0; r < rows; r++) {
            if (!table[r].supported()) {
                continue;
            }
            const normd_kernel_set *kernels = kernels_of(&table[r], of.type);
            kernels->normalize(of.x, of.y, &of.geometry, &tile, &plain, NORMD_STORES_CACHED);
            kernels->normalize(of.x, of.dx, &of.geometry, &tile, &fused, NORMD_STORES_CACHED);
            for (size_t i = 0; i < geometry_values(&of.geometry); i++) {
                double y = value_get(of.type, of.y, i), got = value_get(of.type, of.dx, i);
                assert_true(isnan(y) ? isnan(got) : got == (y > 0 ? y : 0));
            }
        }
        coefficients_free(&with);
        batch_free(&of);
    }
}

/* dy where y, before it is stored, is positive. */
static void *gated_dy(const batch *of, const coefficients *with)
{
    size_t values = geometry_values(&of->geometry);
    storage real = real_of(of->type);
    void *x = values_allocate(real, values), *y = values_allocate(real, values);
    void *dy = values_allocate(of->type, values);
    for (size_t i = 0; i < values; i++) {
        value_set(real, x, i, value_get(of->type, of->x, i));
    }
    normd_normalizer normalizer = normalizer_of(with, false);
    normd_tile tile = tile_whole(&of->geometry);
    kernels_of(normd_kernels_choose("reference"), real)
        ->normalize(x, y, &of->geometry, &tile, &normalizer, NORMD_STORES_CACHED);
    for (size_t i = 0; i < values; i++) {
        double gradient = value_get(of->type, of->dy, i);
        value_set(of->type, dy, i, value_get(real, y, i) > 0 ? gradient : 0);
    }
    free(x);
    free(y);
    return dy;
}

/* For backward and for the sums before it. */
static void a_gate_is_a_dy_of_zero_where_y_is_not_positive(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 24;
    for (int round = 0; round < STORAGES * DATA_KIND_COUNT; round++) {
        data_kind kind = (data_kind)(round / STORAGES);
        batch of = batch_random((storage)(round % STORAGES), kind, &state);
        const normd_geometry *g = &of.geometry;
        coefficients with = coefficients_make(of.type, g->channels, 0.5, &state);
        normd_normalizer gate = normalizer_of(&with, true);
        normd_backprojector by = backprojector_of(&with);
        normd_tile tile = tile_whole(g);
        void *dy = gated_dy(&of, &with);
        normd_gradient_sums *sums = memory_allocate(4 * g->channels * sizeof *sums);
        for (size_t r = 0; r < rows; r++) {
            if (table[r].supported() && isfinite(value_get(of.type, of.x, 0))) {
                const normd_kernel_set *kernels = kernels_of(&table[r], of.type);
                const normd_stores stores = NORMD_STORES_CACHED;
                kernels->backward(of.x, of.dy, of.y, g, &tile, of.mask, &gate, &by, stores);
                kernels->backward(of.x, dy, of.dx, g, &tile, of.mask, NULL, &by, stores);
                for (size_t i = 0; i < geometry_values(g); i++) {
                    double got = value_get(of.type, of.y, i), want = value_get(of.type, of.dx, i);
                    assert_true(got == want || (isnan(got) && isnan(want)));
                }
                kernels->gradient_sums(of.x, of.dy, g, &tile, &gate, sums);
                kernels->gradient_sums(of.x, dy, g, &tile, NULL, sums + g->channels);
                kernels->centered_gradient_sums(of.x, of.dy, g, &tile, &gate, with.high, with.low,
                    NULL, sums + 2 * g->channels);
                kernels->centered_gradient_sums(
                    of.x, dy, g, &tile, NULL, with.high, with.low, NULL, sums + 3 * g->channels);
                for (size_t c = 0; c < 3 * g->channels; c++) {
                    c = c == g->channels ? 2 * g->channels : c;
                    const normd_gradient_sums *got = &sums[c], *want = &sums[c + g->channels];
                    assert_true(got->dy == want->dy);
                    assert_true(got->dy_x == want->dy_x || (isnan(got->dy_x) && isnan(want->dy_x)));
                }
            }
        }
        free(sums);
        free(dy);
        coefficients_free(&with);
        batch_free(&of);
    }
}

/* With a mean of 1e8 the two parts of the mean keep what a rounded mean would lose: y of a column
   of deviation 1 is right to a few units of its own last place. */
static void a_large_mean_costs_no_digits(void **unused)
{
    (void)unused;
    const normd_kernels *row = normd_kernels_choose(NULL);
    const normd_geometry geometry = {3, 1, 1};
    const normd_tile tile = tile_whole(&geometry);
    const float x[3] = {1e8f, 1e8f + 8, 1e8f - 8};
    const float high = 1e8f, low = 2.625f, scale = 0.25f, bias = 0;
    const normd_normalizer normalizer = {&high, &low, &scale, &bias, false};
    float y[3];
    row->f32.normalize(x, y, &geometry, &tile, &normalizer, NORMD_STORES_CACHED);
    assert_true(y[0] == -2.625f * 0.25f);
    assert_true(y[1] == (8 - 2.625f) * 0.25f);
    assert_true(y[2] == (-8 - 2.625f) * 0.25f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_lie_within_the_error_bounds),
        cmocka_unit_test(with_constant_statistics_only_the_scale_counts),
        cmocka_unit_test(a_fused_relu_gives_what_is_not_negative),
        cmocka_unit_test(a_gate_is_a_dy_of_zero_where_y_is_not_positive),
        cmocka_unit_test(a_large_mean_costs_no_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
