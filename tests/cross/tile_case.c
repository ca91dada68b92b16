// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "tests/cross/digest.h"

enum { COEFFICIENTS = 9 };

typedef struct sample {
    storage type;
    normd_geometry geometry;
    normd_tile tile;
    uint8_t *mask, *wanted; /* or NULL */
    void *x, *dy;
    void *coefficients[COEFFICIENTS];
    bool gate, relu, trains;
    normd_stores stores;
    /* Results: of the channels, and of the batch. They start as zeros. */
    double *channels;
    void *values;
    char description[DESCRIPTION_BYTES];
} sample;

static void *zeros(size_t bytes)
{
    return memset(memory_allocate(bytes), 0, bytes);
}

/* A NaN, an infinity, a denormal or a value that overflows, here and there. */
static void put_odd_value(const sample *of, void *values, uint64_t *state)
{
    const double odd[] = {NAN, INFINITY, -INFINITY, 0x1p-149, -0x1p-149, 3e38, 65504};
    size_t at = random_below(state, geometry_values(&of->geometry));
    value_set(of->type, values, at, odd[random_below(state, sizeof odd / sizeof *odd)]);
}

static void describe(sample *of)
{
    const normd_geometry *g = &of->geometry;
    const normd_tile *t = &of->tile;
    snprintf(of->description, sizeof of->description,
        "%s (%zu, %zu, %zu), tile [%zu, %zu) x [%zu, %zu) x [%zu, %zu)%s%s%s%s%s%s",
        storage_name(of->type), g->outer, g->channels, g->inner, t->outer_begin, t->outer_end,
        t->channel_begin, t->channel_end, t->inner_begin, t->inner_end,
        of->mask != NULL ? ", mask" : "", of->wanted != NULL ? ", wanted" : "",
        of->gate ? ", gate" : "", of->relu ? ", relu" : "", of->trains ? ", trains" : "",
        of->stores == NORMD_STORES_STREAMED ? ", streamed" : "");
}

static void sample_make(sample *of, uint64_t *state)
{
    of->type = (storage)random_below(state, STORAGES);
    of->geometry = geometry_random(state);
    of->tile = tile_random(&of->geometry, state);
    size_t channels = of->geometry.channels;
    of->mask = random_below(state, 3) == 0 ? mask_random(&of->geometry, state) : NULL;
    of->wanted = random_below(state, 3) == 0 ? bytes_random(channels, state) : NULL;
    data_kind kind = (data_kind)random_below(state, DATA_KIND_COUNT);
    of->x = values_random(of->type, &of->geometry, kind, state);
    of->dy = values_random(of->type, &of->geometry, DATA_NORMAL, state);
    if (random_below(state, 4) == 0) {
        put_odd_value(of, of->x, state);
        put_odd_value(of, of->dy, state);
    }
    for (int i = 0; i < COEFFICIENTS; i++) {
        of->coefficients[i] = coefficients_random(real_of(of->type), channels, 1, state);
    }
    of->gate = random_below(state, 2) == 0;
    of->relu = random_below(state, 2) == 0;
    of->trains = random_below(state, 3) != 0;
    of->stores = random_below(state, 2) == 0 ? NORMD_STORES_CACHED : NORMD_STORES_STREAMED;
    of->channels = zeros(channels * sizeof(normd_centered_sums));
    of->values = zeros(geometry_values(&of->geometry) * storage_bytes(of->type));
    describe(of);
}

static void sample_free(sample *of)
{
    free(of->mask);
    free(of->wanted);
    free(of->x);
    free(of->dy);
    for (int i = 0; i < COEFFICIENTS; i++) {
        free(of->coefficients[i]);
    }
    free(of->channels);
    free(of->values);
}

static void print_input(const digest_case *case_of, const sample *of)
{
    size_t channels = of->geometry.channels, values = geometry_values(&of->geometry);
    digest input = {0};
    digest_add_values(&input, of->type, of->x, values);
    digest_add_values(&input, of->type, of->dy, values);
    for (int i = 0; i < COEFFICIENTS; i++) {
        digest_add_values(&input, real_of(of->type), of->coefficients[i], channels);
    }
    if (of->mask != NULL) {
        digest_add_bytes(&input, of->mask, of->geometry.outer * of->geometry.inner);
    }
    if (of->wanted != NULL) {
        digest_add_bytes(&input, of->wanted, channels);
    }
    digest_print(case_of, of->description, "input", &input);
}

static void print_channels(const digest_case *case_of, sample *of, const char *name, size_t doubles)
{
    digest result = {0};
    size_t count = of->geometry.channels * doubles;
    digest_add_values(&result, STORAGE_F64, of->channels, count);
    digest_print(case_of, of->description, name, &result);
    memset(of->channels, 0, count * sizeof(double));
}

static void print_values(const digest_case *case_of, const sample *of, const char *name)
{
    digest result = {0};
    digest_add_values(&result, of->type, of->values, geometry_values(&of->geometry));
    digest_print(case_of, of->description, name, &result);
}

static void run_sums(const digest_case *case_of, sample *of, const normd_normalizer *gate)
{
    const normd_kernel_set *kernels = kernels_of(case_of->row, of->type);
    void *const *c = of->coefficients;
    void *sums = of->channels;
    kernels->sums(of->x, &of->geometry, &of->tile, of->mask, sums);
    print_channels(case_of, of, "sums", 2);
    kernels->centered_sums(of->x, &of->geometry, &of->tile, of->mask, c[0], of->wanted, sums);
    print_channels(case_of, of, "centered_sums", 3);
    kernels->gradient_sums(of->x, of->dy, &of->geometry, &of->tile, gate, sums);
    print_channels(case_of, of, "gradient_sums", 2);
    kernels->centered_gradient_sums(
        of->x, of->dy, &of->geometry, &of->tile, gate, c[0], c[1], of->wanted, sums);
    print_channels(case_of, of, "centered_gradient_sums", 2);
}

static void run_elementwise(const digest_case *case_of, sample *of, const normd_normalizer *gate)
{
    const normd_kernel_set *kernels = kernels_of(case_of->row, of->type);
    void *const *c = of->coefficients;
    normd_normalizer normalizer = {c[0], c[1], c[2], c[3], of->relu};
    kernels->normalize(of->x, of->values, &of->geometry, &of->tile, &normalizer, of->stores);
    print_values(case_of, of, "normalize");
    normd_backprojector backprojector = {.scale = c[6]};
    if (of->trains) {
        backprojector = (normd_backprojector){c[0], c[1], c[4], c[5], c[6]};
    }
    kernels->backward(of->x, of->dy, of->values, &of->geometry, &of->tile, of->mask, gate,
        &backprojector, of->stores);
    print_values(case_of, of, "backward");
    digest result = {kernels->all_finite(of->x, geometry_values(&of->geometry))};
    digest_print(case_of, of->description, "all_finite", &result);
}

void digest_tile_case(const digest_case *of)
{
    uint64_t state = (uint64_t)of->number;
    sample made;
    sample_make(&made, &state);
    void *const *c = made.coefficients;
    normd_normalizer gating = {c[2], c[3], c[7], c[8], true};
    const normd_normalizer *gate = made.gate ? &gating : NULL;
    print_input(of, &made);
    run_sums(of, &made, gate);
    run_elementwise(of, &made, gate);
    sample_free(&made);
}
