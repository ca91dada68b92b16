// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/kernels/batch.h"

/*
 * Every row of the table gives the same bits as the reference, for all operations, both types,
 * random geometries, tiles, masks and kinds of data. A NaN counts as the same as any other NaN:
 * which of two operands gives its payload is left to the machine.
 */
enum { ROUNDS = 150 };

static bool same_value(int bits, double a, double b)
{
    (void)bits;
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static bool same_values(int bits, const void *a, const void *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!same_value(bits, value_get(bits, a, i), value_get(bits, b, i))) {
            return false;
        }
    }
    return true;
}

/* One random case, and what the reference makes of it. Outputs start as a pattern, so that writing
   outside of the tile shows. */
typedef struct sample {
    int bits;
    normd_geometry geometry;
    normd_tile tile;
    uint8_t *mask; /* or NULL */
    void *x, *dy;
    void *coefficients[5];
} sample;

static sample sample_random(uint64_t *state)
{
    sample of = {.bits = random_below(state, 2) == 0 ? 32 : 64};
    of.geometry = geometry_random(state);
    of.tile = tile_random(&of.geometry, state);
    of.mask = random_below(state, 3) == 0 ? mask_random(&of.geometry, state) : NULL;
    data_kind kind = (data_kind)random_below(state, DATA_KIND_COUNT);
    of.x = values_random(of.bits, &of.geometry, kind, state);
    of.dy = values_random(of.bits, &of.geometry, DATA_NORMAL, state);
    if (random_below(state, 4) == 0) {
        const double odd[] = {NAN, INFINITY, -INFINITY, 0x1p-149, 3e38};
        size_t at = random_below(state, geometry_values(&of.geometry));
        value_set(of.bits, of.x, at, odd[random_below(state, 5)]);
    }
    for (int i = 0; i < 5; i++) {
        of.coefficients[i] = coefficients_random(of.bits, of.geometry.channels, 1, state);
    }
    return of;
}

static void sample_free(sample *of)
{
    free(of->mask);
    free(of->x);
    free(of->dy);
    for (int i = 0; i < 5; i++) {
        free(of->coefficients[i]);
    }
}

/* All results of one row for a sample. */
typedef struct results {
    normd_moments *moments;
    normd_backward_sums *sums;
    void *y, *dx;
    bool finite;
} results;

static results results_of(const normd_kernel_set *kernels, const sample *of)
{
    size_t channels = of->geometry.channels, values = geometry_values(&of->geometry);
    size_t bytes = values * (size_t)of->bits / 8;
    results got = {
        .moments = values_allocate(8 * sizeof *got.moments, channels),
        .sums = values_allocate(8 * sizeof *got.sums, channels),
        .y = values_allocate(of->bits, values),
        .dx = values_allocate(of->bits, values),
    };
    memset(got.moments, 0x55, channels * sizeof *got.moments);
    memset(got.sums, 0x55, channels * sizeof *got.sums);
    memset(got.y, 0x55, bytes);
    memset(got.dx, 0x55, bytes);
    void *const *c = of->coefficients;
    normd_normalizer normalizer = {c[0], c[1], c[2], c[3]};
    normd_backprojector backprojector = {c[0], c[1], c[2], c[3], c[4]};
    kernels->moments(of->x, &of->geometry, &of->tile, of->mask, got.moments);
    kernels->normalize(of->x, got.y, &of->geometry, &of->tile, &normalizer);
    kernels->backward_sums(of->x, of->dy, &of->geometry, &of->tile, c[0], c[1], got.sums);
    kernels->backward_apply(
        of->x, of->dy, got.dx, &of->geometry, &of->tile, of->mask, &backprojector);
    got.finite = kernels->all_finite(of->x, values);
    return got;
}

static void results_free(results *of)
{
    free(of->moments);
    free(of->sums);
    free(of->y);
    free(of->dx);
}

static bool same_results(const sample *of, const results *a, const results *b)
{
    size_t channels = of->geometry.channels, values = geometry_values(&of->geometry);
    return same_values(64, a->moments, b->moments, channels * sizeof *a->moments / 8) &&
           same_values(64, a->sums, b->sums, channels * sizeof *a->sums / 8) &&
           same_values(of->bits, a->y, b->y, values) &&
           same_values(of->bits, a->dx, b->dx, values) && a->finite == b->finite;
}

static void every_instruction_set_gives_the_bits_of_the_reference(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 1;
    for (int round = 0; round < ROUNDS; round++) {
        sample of = sample_random(&state);
        results want = results_of(kernels_of(&table[0], of.bits), &of);
        for (size_t r = 1; r < rows; r++) {
            if (!table[r].supported()) {
                continue;
            }
            results got = results_of(kernels_of(&table[r], of.bits), &of);
            if (!same_results(&of, &want, &got)) {
                fail_msg("%s differs in round %d: f%d (%zu, %zu, %zu)", table[r].name, round,
                    of.bits, of.geometry.outer, of.geometry.channels, of.geometry.inner);
            }
            results_free(&got);
        }
        results_free(&want);
        sample_free(&of);
    }
}

/* The channels of a tile are independent of each other, so a range of channels gives the bits that
   the same channels get in the whole. */
static void bits_do_not_depend_on_the_range_of_channels(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 2;
    for (int round = 0; round < ROUNDS; round++) {
        sample of = sample_random(&state);
        const normd_kernel_set *kernels = kernels_of(&table[round % (int)rows], of.bits);
        if (table[round % (int)rows].supported()) {
            sample whole = of;
            whole.tile.channel_begin = 0;
            whole.tile.channel_end = of.geometry.channels;
            results part = results_of(kernels, &of), all = results_of(kernels, &whole);
            size_t begin = of.tile.channel_begin, count = of.tile.channel_end - begin;
            assert_true(same_values(
                64, part.moments + begin, all.moments + begin, count * sizeof *part.moments / 8));
            assert_true(same_values(
                64, part.sums + begin, all.sums + begin, count * sizeof *part.sums / 8));
            results_free(&part);
            results_free(&all);
        }
        sample_free(&of);
    }
}

/* y over x and dx over dy give the same bits as y and dx elsewhere. */
static void in_place_equals_out_of_place(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 3;
    for (int round = 0; round < ROUNDS; round++) {
        sample of = sample_random(&state);
        const normd_kernels *row = &table[round % (int)rows];
        if (row->supported()) {
            const normd_kernel_set *kernels = kernels_of(row, of.bits);
            of.tile = (normd_tile){0, of.geometry.channels, 0, of.geometry.outer};
            results want = results_of(kernels, &of);
            void *const *c = of.coefficients;
            normd_normalizer normalizer = {c[0], c[1], c[2], c[3]};
            normd_backprojector backprojector = {c[0], c[1], c[2], c[3], c[4]};
            kernels->backward_apply(
                of.x, of.dy, of.dy, &of.geometry, &of.tile, of.mask, &backprojector);
            kernels->normalize(of.x, of.x, &of.geometry, &of.tile, &normalizer);
            size_t values = geometry_values(&of.geometry);
            assert_true(same_values(of.bits, of.x, want.y, values));
            assert_true(same_values(of.bits, of.dy, want.dx, values));
            results_free(&want);
        }
        sample_free(&of);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_set_gives_the_bits_of_the_reference),
        cmocka_unit_test(bits_do_not_depend_on_the_range_of_channels),
        cmocka_unit_test(in_place_equals_out_of_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
