// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/kernels/batch.h"

/*
 * What follows from the moments and from the sums of backward, on every row of the table: against
 * the formulas in 113 bits, and bit for bit against the reference. For channels [begin, end) of C;
 * what is outside keeps a pattern.
 *
 * Each result has at most eight roundings in double before it is stored, and all terms of the
 * running statistics and of the variance are positive or bounded by `size`: 10 * 2^-53 of the sum
 * of the terms' sizes, and the rounding of the type.
 */
enum { CHANNELS = 203, CHUNKS = 5, VECTORS = 9 };

typedef struct channels {
    double mean[CHANNELS], mean_low[CHANNELS], m2[CHANNELS], inverse[CHANNELS];
    uint8_t uncertain[CHANNELS], centered[CHANNELS];
    normd_gradient_sums sums[CHUNKS * CHANNELS];
    double gamma[CHANNELS]; /* of the real type */
} channels;

static void channels_fill(channels *of, storage real, uint64_t *state)
{
    for (size_t c = 0; c < CHANNELS; c++) {
        of->mean[c] = 100 * random_normal(state);
        of->mean_low[c] = of->mean[c] * 0x1p-60;
        of->m2[c] = random_below(state, 20) == 0 ? 0 : 1000 * fabs(random_normal(state));
        of->inverse[c] = 1 + fabs(random_normal(state));
        of->uncertain[c] = 0;
        of->centered[c] = random_below(state, 3) == 0;
        value_set(real, of->gamma, c, random_normal(state));
        for (size_t k = 0; k < CHUNKS; k++) {
            of->sums[k * CHANNELS + c] =
                (normd_gradient_sums){random_normal(state), 10 * random_normal(state)};
        }
    }
}

/* Vectors of results, all of the size of doubles. */
typedef struct vectors {
    double of[VECTORS][CHANNELS];
    bool finite;
} vectors;

enum { HIGH, LOW, SCALE, INVERSE, MEAN, VAR, MEAN_DY = 0, SLOPE, DGAMMA, DBETA };
static const double count = 77, eps = 1e-3, keep = 0.9, take = 0.1, divisor = 76;

static vectors settle(const normd_kernel_set *kernels, channels *in, size_t begin, size_t end,
    bool gamma, bool runs, storage real)
{
    vectors out;
    memset(&out, 0x55, sizeof out);
    for (size_t c = 0; c < CHANNELS; c++) {
        value_set(real, out.of[MEAN], c, 3);
        value_set(real, out.of[VAR], c, 5);
    }
    const normd_channel_moments moments = {in->mean, in->mean_low, in->m2, in->uncertain};
    const normd_settling by = {&moments, count, eps, gamma ? in->gamma : NULL, out.of[HIGH],
        out.of[LOW], out.of[SCALE], out.of[INVERSE], runs ? out.of[MEAN] : NULL,
        runs ? out.of[VAR] : NULL, keep, take, divisor};
    out.finite = kernels->settle(&by, begin, end);
    return out;
}

static vectors settle_gradients(const normd_kernel_set *kernels, const channels *in,
    const vectors *forward, size_t begin, size_t end, bool dgamma, bool dbeta)
{
    vectors out;
    memset(&out, 0x55, sizeof out);
    const normd_gradient_settling by = {in->sums, CHUNKS, CHANNELS, count, forward->of[HIGH],
        forward->of[LOW], in->inverse, in->centered, out.of[MEAN_DY], out.of[SLOPE],
        dgamma ? out.of[DGAMMA] : NULL, dbeta ? out.of[DBETA] : NULL};
    kernels->settle_gradients(&by, begin, end);
    out.finite = true;
    return out;
}

static bool near(storage real, const double *values, size_t c, quad want, quad size)
{
    quad error = quad_abs(want) * storage_unit(real) + 10 * 0x1.01p-53 * size;
    return quad_abs(value_get(real, values, c) - want) <= error;
}

static void check_forward(
    storage real, const channels *in, const vectors *got, size_t c, bool gamma, bool runs)
{
    double inverse = 1 / sqrt(in->m2[c] / count + eps);
    quad mean = (quad)in->mean[c] + in->mean_low[c];
    quad high = value_get(real, got->of[HIGH], c), low = value_get(real, got->of[LOW], c);
    assert_true(high == value_get(real, got->of[HIGH], c) && near(real, got->of[HIGH], c, mean, 0));
    assert_true(quad_abs(high + low - mean) <=
                quad_abs(mean) * storage_unit(real) * storage_unit(real) + 0x1p-160);
    assert_true(fabs(got->of[INVERSE][c] - inverse) <= 8 * 0x1p-53 * inverse);
    double scale = (gamma ? value_get(real, in->gamma, c) : 1) * inverse;
    assert_true(near(real, got->of[SCALE], c, scale, fabs(scale)));
    if (runs) {
        quad var = (quad)keep * 5 + (quad)take * in->m2[c] / divisor;
        quad running = (quad)keep * 3 + (quad)take * mean;
        assert_true(near(real, got->of[MEAN], c, running, 3 + take * quad_abs(mean)));
        assert_true(near(real, got->of[VAR], c, var, var));
    }
}

static void check_backward(storage real, const channels *in, const vectors *forward,
    const vectors *got, size_t c, bool dgamma, bool dbeta)
{
    quad dy = 0, product = 0, dy_size = 0, size = 0;
    for (size_t k = 0; k < CHUNKS; k++) {
        const normd_gradient_sums *sums = &in->sums[k * CHANNELS + c];
        dy += sums->dy;
        dy_size += quad_abs(sums->dy);
        product += sums->dy_x;
        size += quad_abs(sums->dy_x);
    }
    if (in->centered[c] == 0) {
        quad mean =
            (quad)value_get(real, forward->of[HIGH], c) + value_get(real, forward->of[LOW], c);
        product -= mean * dy;
        size += 2 * quad_abs(mean) * dy_size;
    }
    double s = in->inverse[c];
    assert_true(near(real, got->of[MEAN_DY], c, dy / count, dy_size / count));
    assert_true(near(real, got->of[SLOPE], c, product / count * s * s, size / count * s * s));
    assert_true(!dgamma || near(real, got->of[DGAMMA], c, product * s, size * s));
    assert_true(!dbeta || near(real, got->of[DBETA], c, dy, dy_size));
}

static void all_rows_follow_the_formulas_with_the_same_bits(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 81;
    channels in;
    for (int round = 0; round < 60; round++) {
        storage type = (storage)(round % STORAGES), real = real_of(type);
        bool a = random_below(&state, 2) == 0, b = random_below(&state, 2) == 0;
        size_t begin, end;
        range_random(CHANNELS, &begin, &end, &state);
        channels_fill(&in, real, &state);
        const normd_kernel_set *reference = kernels_of(&table[0], type);
        vectors want = settle(reference, &in, begin, end, a, b, real);
        vectors whole = settle(reference, &in, 0, CHANNELS, a, b, real);
        vectors dwant = settle_gradients(reference, &in, &whole, begin, end, a, b);
        assert_true(want.finite);
        for (size_t c = begin; c < end; c++) {
            check_forward(real, &in, &want, c, a, b);
            check_backward(real, &in, &whole, &dwant, c, a, b);
        }
        for (size_t r = 1; r < rows; r++) {
            if (table[r].supported()) {
                const normd_kernel_set *kernels = kernels_of(&table[r], type);
                vectors got = settle(kernels, &in, begin, end, a, b, real);
                assert_memory_equal(got.of, want.of, sizeof got.of);
                assert_int_equal(got.finite, want.finite);
                got = settle_gradients(kernels, &in, &whole, begin, end, a, b);
                assert_memory_equal(got.of, dwant.of, sizeof got.of);
            }
        }
    }
}

/* A mean or an m2 that is not finite shows, wherever it stands; outside of the range it does not.
 */
static void what_is_not_finite_is_told(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 82;
    const double odd[] = {NAN, INFINITY, -INFINITY};
    channels in;
    for (int round = 0; round < 400; round++) {
        storage type = (storage)(round % STORAGES);
        size_t begin, end, at = random_below(&state, CHANNELS);
        range_random(CHANNELS, &begin, &end, &state);
        channels_fill(&in, real_of(type), &state);
        double *values = random_below(&state, 2) == 0 ? in.mean : in.m2;
        values[at] = odd[random_below(&state, values == in.mean ? 3 : 2)];
        const normd_kernels *row = &table[random_below(&state, rows)];
        if (row->supported()) {
            vectors got =
                settle(kernels_of(row, type), &in, begin, end, true, false, real_of(type));
            assert_int_equal(got.finite, at < begin || at >= end);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_rows_follow_the_formulas_with_the_same_bits),
        cmocka_unit_test(what_is_not_finite_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
