// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/kernels/batch.h"

/*
 * normalize and backward_apply of every row of the table against the formulas in 113 bits, with the
 * error bounds of BATCHNORM.md. `SLACK` covers the terms of second order in the unit roundoff; the
 * least positive number is added for results that underflow.
 */
#define SLACK 1.001

static double unit_of(int bits)
{
    return bits == 32 ? 0x1p-24 : 0x1p-53;
}

static double least_of(int bits)
{
    return bits == 32 ? 0x1p-149 : 0x1p-1074;
}

/* Coefficients of one batch: arrays of C values. */
typedef struct coefficients {
    int bits;
    void *high, *low, *scale, *bias, *mean_dy, *slope;
} coefficients;

/* mean_low is what a mean split in two leaves: below the last place of mean_high. */
static coefficients coefficients_make(int bits, size_t channels, double offset, uint64_t *state)
{
    coefficients of = {.bits = bits,
        .high = coefficients_random(bits, channels, 1, state),
        .low = coefficients_random(bits, channels, offset * unit_of(bits), state),
        .scale = coefficients_random(bits, channels, 3, state),
        .bias = coefficients_random(bits, channels, 1, state),
        .mean_dy = coefficients_random(bits, channels, 0.1, state),
        .slope = coefficients_random(bits, channels, 0.3, state)};
    for (size_t c = 0; c < channels; c++) {
        value_set(bits, of.high, c, offset + value_get(bits, of.high, c));
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
    return value_get(of->bits, values, channel);
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

static bool y_is_right(const coefficients *of, double x, double y, size_t channel)
{
    quad scale = coefficient(of, of->scale, channel);
    quad centered = centered_of(of, x, channel);
    quad want = centered * scale + coefficient(of, of->bias, channel);
    quad bound = quad_abs(scale) * (distance_of(of, x, channel) + 3 * quad_abs(centered));
    bound = SLACK * unit_of(of->bits) * (bound + quad_abs(want)) + least_of(of->bits);
    return quad_abs(y - want) <= bound;
}

static bool dx_is_right(
    const coefficients *of, double x, double dy, double dx, size_t channel, bool counts)
{
    quad scale = coefficient(of, of->scale, channel);
    if (!counts) {
        quad want = dy * scale;
        quad bound = unit_of(of->bits) * quad_abs(want) + least_of(of->bits);
        return quad_abs(dx - want) <= bound;
    }
    quad slope = coefficient(of, of->slope, channel);
    quad centered = centered_of(of, x, channel);
    quad shifted = dy - coefficient(of, of->mean_dy, channel);
    quad difference = shifted - centered * slope;
    quad inner = quad_abs(shifted) + quad_abs(difference) +
                 quad_abs(slope) * (distance_of(of, x, channel) + 2 * quad_abs(centered));
    quad want = difference * scale;
    quad bound = SLACK * unit_of(of->bits) * (quad_abs(scale) * inner + quad_abs(want)) +
                 least_of(of->bits) * (1 + quad_abs(scale));
    return quad_abs(dx - want) <= bound;
}

/* Checks one row of the table over one batch. */
typedef struct batch {
    int bits;
    normd_geometry geometry;
    uint8_t *mask;
    void *x, *dy, *y, *dx;
} batch;

static void check_row(const normd_kernels *row, const batch *of, const coefficients *with)
{
    const normd_kernel_set *kernels = kernels_of(row, of->bits);
    const normd_geometry *g = &of->geometry;
    normd_tile tile = {0, g->channels, 0, g->outer};
    normd_normalizer normalizer = {with->high, with->low, with->scale, with->bias};
    normd_backprojector backprojector = {
        with->high, with->low, with->mean_dy, with->slope, with->scale};
    kernels->normalize(of->x, of->y, g, &tile, &normalizer);
    kernels->backward_apply(of->x, of->dy, of->dx, g, &tile, of->mask, &backprojector);
    for (size_t i = 0; i < geometry_values(g); i++) {
        size_t channel = i / g->inner % g->channels;
        size_t position = i / g->inner / g->channels * g->inner + i % g->inner;
        double x = value_get(of->bits, of->x, i), dy = value_get(of->bits, of->dy, i);
        double y = value_get(of->bits, of->y, i), dx = value_get(of->bits, of->dx, i);
        bool counts = of->mask == NULL || of->mask[position] != 0;
        if (!y_is_right(with, x, y, channel) || !dx_is_right(with, x, dy, dx, channel, counts)) {
            fail_msg("%s, f%d (%zu, %zu, %zu), value %zu: x %.17g, dy %.17g, y %.17g, dx %.17g",
                row->name, of->bits, g->outer, g->channels, g->inner, i, x, dy, y, dx);
        }
    }
}

static void results_lie_within_the_error_bounds(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 21;
    for (int round = 0; round < 4 * DATA_KIND_COUNT; round++) {
        data_kind kind = (data_kind)(round % DATA_KIND_COUNT);
        double offset = kind == DATA_OFFSET_1E8 ? 1e8 : kind == DATA_NARROW ? 1e4 : 0.5;
        batch of = {.bits = random_below(&state, 2) == 0 ? 32 : 64};
        of.geometry = geometry_random(&state);
        if (kind == DATA_LARGE) {
            continue; /* y overflows a float, as it should */
        }
        of.x = values_random(of.bits, &of.geometry, kind, &state);
        of.dy = values_random(of.bits, &of.geometry, DATA_NORMAL, &state);
        of.y = values_allocate(of.bits, geometry_values(&of.geometry));
        of.dx = values_allocate(of.bits, geometry_values(&of.geometry));
        of.mask = round % 3 == 0 ? mask_random(&of.geometry, &state) : NULL;
        coefficients with = coefficients_make(of.bits, of.geometry.channels, offset, &state);
        for (size_t r = 0; r < rows; r++) {
            if (table[r].supported()) {
                check_row(&table[r], &of, &with);
            }
        }
        coefficients_free(&with);
        free(of.x);
        free(of.dy);
        free(of.y);
        free(of.dx);
        free(of.mask);
    }
}

/* With a mean of 1e8 the two parts of the mean keep what a rounded mean would lose: y of a column
   of deviation 1 is right to a few units of its own last place. */
static void a_large_mean_costs_no_digits(void **unused)
{
    (void)unused;
    const normd_kernels *row = normd_kernels_choose(NULL);
    const normd_geometry geometry = {3, 1, 1};
    const normd_tile tile = {0, 1, 0, 3};
    const float x[3] = {1e8f, 1e8f + 8, 1e8f - 8};
    const float high = 1e8f, low = 2.625f, scale = 0.25f, bias = 0;
    const normd_normalizer normalizer = {&high, &low, &scale, &bias};
    float y[3];
    row->f32.normalize(x, y, &geometry, &tile, &normalizer);
    assert_true(y[0] == -2.625f * 0.25f);
    assert_true(y[1] == (8 - 2.625f) * 0.25f);
    assert_true(y[2] == (-8 - 2.625f) * 0.25f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_lie_within_the_error_bounds),
        cmocka_unit_test(a_large_mean_costs_no_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
