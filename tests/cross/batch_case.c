// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "lib/kernels/tiling.h"
#include "lib/pool/pool.h"
#include "tests/cross/digest.h"

/* One batch with all that lies between its sums and its gradients. C values each of what hangs on a
   channel, in the real type but where it is a double. */
typedef struct batch {
    const normd_kernel_set *kernels;
    storage type;
    normd_tiling tiling;
    double count; /* positions that the mask lets count */
    void *x, *y, *dy, *dx;
    uint8_t *mask; /* or NULL */
    void *gamma, *beta, *running_mean, *running_var;
    void *mean_high, *mean_low, *scale, *mean_dy, *slope, *dgamma, *dbeta;
    double *inverse_deviation;
    normd_channel_moments moments;
    /* C times the chunks of each. */
    normd_sums *sums;
    normd_centered_sums *centered_sums;
    normd_gradient_sums *gradient_sums;
    normd_normalizer normalizer;
    bool gate;
} batch;

/* Every third one is of several tiles: chunks of rows, pieces of runs, ranges of channels. */
static normd_geometry batch_geometry(uint64_t *state)
{
    const normd_geometry large[] = {{80000, 3, 1}, {300, 300, 1}, {2, 1, 80000}, {4, 40, 700}};
    normd_geometry geometry = geometry_random(state);
    if (random_below(state, 3) == 0) {
        geometry = large[random_below(state, sizeof large / sizeof *large)];
        geometry.outer += random_below(state, 9);
        geometry.inner += geometry.inner > 1 ? random_below(state, 9) : 0;
    }
    return geometry;
}

static void *reals(const batch *of)
{
    return values_allocate(real_of(of->type), of->tiling.geometry.channels);
}

static void allocate_channels(batch *of, uint64_t *state)
{
    size_t channels = of->tiling.geometry.channels, results = channels * of->tiling.chunks;
    void **random[] = {&of->gamma, &of->beta, &of->running_mean, &of->running_var};
    for (size_t i = 0; i < sizeof random / sizeof *random; i++) {
        *random[i] = coefficients_random(real_of(of->type), channels, 1, state);
    }
    void **plain[] = {&of->mean_high, &of->mean_low, &of->scale, &of->mean_dy, &of->slope,
        &of->dgamma, &of->dbeta};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        *plain[i] = reals(of);
    }
    of->inverse_deviation = memory_allocate(channels * sizeof(double));
    of->moments = (normd_channel_moments){
        .mean = memory_allocate(channels * sizeof(double)),
        .mean_low = memory_allocate(channels * sizeof(double)),
        .m2 = memory_allocate(channels * sizeof(double)),
        .uncertain = memory_allocate(channels),
    };
    of->sums = memory_allocate(results * sizeof *of->sums);
    of->centered_sums = memory_allocate(results * sizeof *of->centered_sums);
    of->gradient_sums = memory_allocate(results * sizeof *of->gradient_sums);
}

static double count_positions(const batch *of)
{
    size_t positions = of->tiling.geometry.outer * of->tiling.geometry.inner, count = 0;
    for (size_t p = 0; p < positions; p++) {
        count += of->mask == NULL || of->mask[p] != 0;
    }
    return (double)count;
}

static void batch_make(batch *of, const normd_kernels *row, uint64_t *state, data_kind *kind)
{
    of->type = (storage)random_below(state, STORAGES);
    of->kernels = kernels_of(row, of->type);
    normd_geometry geometry = batch_geometry(state);
    of->tiling = normd_tiling_of(&geometry);
    *kind = (data_kind)random_below(state, DATA_KIND_COUNT);
    of->x = values_random(of->type, &geometry, *kind, state);
    of->dy = values_random(of->type, &geometry, DATA_NORMAL, state);
    of->y = values_allocate(of->type, geometry_values(&geometry));
    of->dx = values_allocate(of->type, geometry_values(&geometry));
    of->mask = random_below(state, 3) == 0 ? mask_random(&geometry, state) : NULL;
    of->count = count_positions(of);
    of->gate = random_below(state, 2) == 0;
    allocate_channels(of, state);
    of->normalizer = (normd_normalizer){of->mean_high, of->mean_low, of->scale, of->beta, of->gate};
}

static void batch_free(batch *of)
{
    void *all[] = {of->x, of->y, of->dy, of->dx, of->mask, of->gamma, of->beta, of->running_mean,
        of->running_var, of->mean_high, of->mean_low, of->scale, of->mean_dy, of->slope, of->dgamma,
        of->dbeta, of->inverse_deviation, of->moments.mean, of->moments.mean_low, of->moments.m2,
        of->moments.uncertain, of->sums, of->centered_sums, of->gradient_sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}

/* Where the results of tile `index` begin. */
static size_t results_at(const batch *of, size_t index)
{
    return index / of->tiling.ranges * of->tiling.geometry.channels;
}

static void sum(void *argument, size_t index)
{
    const batch *of = argument;
    normd_tile tile = normd_tiling_tile(&of->tiling, index);
    of->kernels->sums(
        of->x, &of->tiling.geometry, &tile, of->mask, of->sums + results_at(of, index));
}

static void sum_again(void *argument, size_t index)
{
    const batch *of = argument;
    normd_tile tile = normd_tiling_tile(&of->tiling, index);
    of->kernels->centered_sums(of->x, &of->tiling.geometry, &tile, of->mask, of->mean_high,
        of->moments.uncertain, of->centered_sums + results_at(of, index));
}

static void normalize(void *argument, size_t index)
{
    const batch *of = argument;
    normd_tile tile = normd_tiling_tile(&of->tiling, index);
    of->kernels->normalize(
        of->x, of->y, &of->tiling.geometry, &tile, &of->normalizer, NORMD_STORES_CACHED);
}

static void sum_gradients(void *argument, size_t index)
{
    const batch *of = argument;
    const normd_normalizer *gate = of->gate ? &of->normalizer : NULL;
    const normd_geometry *geometry = &of->tiling.geometry;
    normd_tile tile = normd_tiling_tile(&of->tiling, index);
    normd_gradient_sums *sums = of->gradient_sums + results_at(of, index);
    of->kernels->gradient_sums(of->x, of->dy, geometry, &tile, gate, sums);
    of->kernels->centered_gradient_sums(of->x, of->dy, geometry, &tile, gate, of->mean_high,
        of->mean_low, of->moments.uncertain, sums);
}

static void project_back(void *argument, size_t index)
{
    const batch *of = argument;
    const normd_backprojector backprojector = {
        of->mean_high, of->mean_low, of->mean_dy, of->slope, of->scale};
    normd_tile tile = normd_tiling_tile(&of->tiling, index);
    of->kernels->backward(of->x, of->dy, of->dx, &of->tiling.geometry, &tile, of->mask,
        of->gate ? &of->normalizer : NULL, &backprojector, NORMD_STORES_STREAMED);
}

static bool forward(batch *of, normd_pool *pool)
{
    size_t tiles = normd_tiling_tiles(&of->tiling), channels = of->tiling.geometry.channels;
    normd_pool_for(pool, tiles, sum, of);
    if (of->kernels->moments(of->sums, of->tiling.chunks, channels, of->count,
            normd_tiling_additions(&of->tiling), 0, channels, &of->moments)) {
        for (size_t c = 0; c < channels; c++) {
            value_set(real_of(of->type), of->mean_high, c, of->moments.mean[c]);
        }
        normd_pool_for(pool, tiles, sum_again, of);
        of->kernels->centered_moments(of->centered_sums, of->tiling.chunks, channels, of->count,
            of->mean_high, 0, channels, &of->moments);
    }
    const normd_settling settling = {.moments = &of->moments,
        .count = of->count,
        .eps = 1e-5,
        .gamma = of->gamma,
        .mean_high = of->mean_high,
        .mean_low = of->mean_low,
        .scale = of->scale,
        .inverse_deviation = of->inverse_deviation,
        .running_mean = of->running_mean,
        .running_var = of->running_var,
        .keep = 0.9,
        .take = 0.1,
        .divisor = of->count};
    bool finite = of->kernels->settle(&settling, 0, channels);
    normd_pool_for_reversed(pool, tiles, normalize, of);
    return finite;
}

static void backward(batch *of, normd_pool *pool)
{
    size_t tiles = normd_tiling_tiles(&of->tiling), channels = of->tiling.geometry.channels;
    normd_pool_for(pool, tiles, sum_gradients, of);
    const normd_gradient_settling settling = {.sums = of->gradient_sums,
        .chunks = of->tiling.chunks,
        .channels = channels,
        .count = of->count,
        .mean_high = of->mean_high,
        .mean_low = of->mean_low,
        .inverse_deviation = of->inverse_deviation,
        .centered = of->moments.uncertain,
        .mean_dy = of->mean_dy,
        .slope = of->slope,
        .dgamma = of->dgamma,
        .dbeta = of->dbeta};
    of->kernels->settle_gradients(&settling, 0, channels);
    normd_pool_for_reversed(pool, tiles, project_back, of);
}

static digest digest_of_channels(const batch *of, const void *const *values, size_t count)
{
    digest result = {0};
    for (size_t i = 0; i < count; i++) {
        digest_add_values(&result, real_of(of->type), values[i], of->tiling.geometry.channels);
    }
    return result;
}

void digest_batch_case(const digest_case *case_of, normd_pool *pool)
{
    uint64_t state = (uint64_t)case_of->number;
    batch of;
    data_kind kind;
    batch_make(&of, case_of->row, &state, &kind);
    const normd_geometry *g = &of.tiling.geometry;
    size_t values = geometry_values(g), channels = g->channels;
    char text[DESCRIPTION_BYTES];
    snprintf(text, sizeof text, "%s (%zu, %zu, %zu), %zu tiles, data %d%s%s", storage_name(of.type),
        g->outer, g->channels, g->inner, normd_tiling_tiles(&of.tiling), (int)kind,
        of.mask != NULL ? ", mask" : "", of.gate ? ", relu" : "");
    digest result = digest_of_channels(&of, (const void *[]){of.gamma, of.beta}, 2);
    digest_add_values(&result, of.type, of.x, values);
    digest_add_values(&result, of.type, of.dy, values);
    digest_print(case_of, text, "input", &result);
    bool finite = forward(&of, pool);
    result = (digest){finite};
    digest_add_values(&result, STORAGE_F64, of.moments.mean, channels);
    digest_add_values(&result, STORAGE_F64, of.moments.mean_low, channels);
    digest_add_values(&result, STORAGE_F64, of.moments.m2, channels);
    digest_add_bytes(&result, of.moments.uncertain, channels);
    digest_print(case_of, text, "moments", &result);
    result = digest_of_channels(&of,
        (const void *[]){of.mean_high, of.mean_low, of.scale, of.running_mean, of.running_var}, 5);
    digest_add_values(&result, STORAGE_F64, of.inverse_deviation, channels);
    digest_print(case_of, text, "settle", &result);
    result = (digest){0};
    digest_add_values(&result, of.type, of.y, values);
    digest_print(case_of, text, "y", &result);
    backward(&of, pool);
    result =
        digest_of_channels(&of, (const void *[]){of.mean_dy, of.slope, of.dgamma, of.dbeta}, 4);
    digest_print(case_of, text, "settle_gradients", &result);
    result = (digest){0};
    digest_add_values(&result, of.type, of.dx, values);
    digest_print(case_of, text, "dx", &result);
    batch_free(&of);
}
