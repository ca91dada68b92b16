// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/kernels/batch.h"

/*
 * Every row of the table gives the same bits as the reference, for all operations over a batch, all
 * types, random geometries, tiles, masks, alignments and kinds of data. A NaN counts as the same as
 * any other NaN: which of two operands gives its payload is left to the machine.
 */
enum { ROUNDS = 320, COEFFICIENTS = 9, MOST_OFFSET = 33 };

/* An array at some elements from the beginning of its memory, which ends where it ends. */
typedef struct placed {
    char *memory;
    void *values;
} placed;

static placed placed_allocate(storage type, size_t count, size_t offset)
{
    placed of = {.memory = values_allocate(type, offset + count)};
    of.values = of.memory + offset * storage_bytes(type);
    return of;
}

/* One random case. */
typedef struct sample {
    storage type;
    normd_geometry geometry;
    normd_tile tile;
    uint8_t *mask, *wanted; /* or NULL */
    placed x, dy;
    size_t y_offset, dx_offset; /* of the results, in elements */
    void *coefficients[COEFFICIENTS];
    bool gate, relu, trains;
    normd_stores stores;
    void *nothing; /* stands for x where that is not read */
} sample;

static void put_odd_value(const sample *of, void *values, uint64_t *state)
{
    const double odd[] = {NAN, -NAN, INFINITY, -INFINITY, 0x1p-149, -0x1p-149, 3e38, 65504};
    size_t at = random_below(state, geometry_values(&of->geometry));
    value_set(of->type, values, at, odd[random_below(state, 8)]);
}

static sample sample_random(uint64_t *state)
{
    sample of = {.type = (storage)random_below(state, STORAGES)};
    of.geometry = geometry_random(state);
    of.tile = tile_random(&of.geometry, state);
    of.mask = random_below(state, 3) == 0 ? mask_random(&of.geometry, state) : NULL;
    of.wanted = random_below(state, 3) != 0 ? bytes_random(of.geometry.channels, state) : NULL;
    size_t values = geometry_values(&of.geometry);
    of.x = placed_allocate(of.type, values, random_below(state, MOST_OFFSET));
    of.dy = placed_allocate(of.type, values, random_below(state, MOST_OFFSET));
    of.y_offset = random_below(state, MOST_OFFSET);
    of.dx_offset = random_below(state, MOST_OFFSET);
    data_kind kind = (data_kind)random_below(state, DATA_KIND_COUNT);
    values_fill(of.type, of.x.values, &of.geometry, kind, state);
    values_fill(of.type, of.dy.values, &of.geometry, DATA_NORMAL, state);
    if (random_below(state, 4) == 0) {
        put_odd_value(&of, of.x.values, state);
        put_odd_value(&of, of.dy.values, state);
    }
    for (int i = 0; i < COEFFICIENTS; i++) {
        of.coefficients[i] = coefficients_random(real_of(of.type), of.geometry.channels, 1, state);
    }
    of.gate = random_below(state, 2) == 0;
    of.relu = random_below(state, 2) == 0;
    of.trains = random_below(state, 3) != 0;
    of.stores = random_below(state, 2) == 0 ? NORMD_STORES_CACHED : NORMD_STORES_STREAMED;
    of.nothing = memory_allocate(1);
    return of;
}

static void sample_free(sample *of)
{
    free(of->mask);
    free(of->wanted);
    free(of->x.memory);
    free(of->dy.memory);
    for (int i = 0; i < COEFFICIENTS; i++) {
        free(of->coefficients[i]);
    }
    free(of->nothing);
}

static normd_normalizer normalizer_of(const sample *of)
{
    void *const *c = of->coefficients;
    return (normd_normalizer){c[0], c[1], c[2], c[3], of->relu};
}

static normd_normalizer gate_of(const sample *of)
{
    void *const *c = of->coefficients;
    return (normd_normalizer){c[2], c[3], c[7], c[8], true};
}

static normd_backprojector backprojector_of(const sample *of)
{
    void *const *c = of->coefficients;
    return of->trains ? (normd_backprojector){c[0], c[1], c[4], c[5], c[6]}
                      : (normd_backprojector){.scale = c[6]};
}

/* All results of one row for a sample. They start as a pattern, so that writing where nothing
   belongs shows. */
enum { SUMS = 2, CENTERED = 3 };
typedef struct results {
    normd_sums *sums;
    normd_centered_sums *centered_sums;
    normd_gradient_sums *gradient_sums, *centered_gradient_sums;
    placed y, dx;
    bool finite;
} results;

static void *patterned(void *memory, size_t bytes)
{
    memset(memory, 0x55, bytes);
    return memory;
}

static results results_allocate(const sample *of)
{
    size_t channels = of->geometry.channels, values = geometry_values(&of->geometry);
    size_t two = channels * sizeof(normd_sums), three = channels * sizeof(normd_centered_sums);
    results got = {
        .sums = patterned(memory_allocate(two), two),
        .centered_sums = patterned(memory_allocate(three), three),
        .gradient_sums = patterned(memory_allocate(two), two),
        .centered_gradient_sums = patterned(memory_allocate(two), two),
        .y = placed_allocate(of->type, values, of->y_offset),
        .dx = placed_allocate(of->type, values, of->dx_offset),
    };
    patterned(got.y.memory, (values + of->y_offset) * storage_bytes(of->type));
    patterned(got.dx.memory, (values + of->dx_offset) * storage_bytes(of->type));
    return got;
}

static results results_of(const normd_kernel_set *kernels, const sample *of)
{
    const normd_geometry *geometry = &of->geometry;
    const normd_tile *tile = &of->tile;
    const void *x = of->x.values, *dy = of->dy.values;
    void *const *c = of->coefficients;
    normd_normalizer normalizer = normalizer_of(of), gating = gate_of(of);
    normd_backprojector backprojector = backprojector_of(of);
    const normd_normalizer *gate = of->gate ? &gating : NULL;
    results got = results_allocate(of);
    kernels->sums(x, geometry, tile, of->mask, got.sums);
    kernels->centered_sums(x, geometry, tile, of->mask, c[0], of->wanted, got.centered_sums);
    kernels->gradient_sums(x, dy, geometry, tile, gate, got.gradient_sums);
    kernels->centered_gradient_sums(
        x, dy, geometry, tile, gate, c[0], c[1], of->wanted, got.centered_gradient_sums);
    kernels->normalize(x, got.y.values, geometry, tile, &normalizer, of->stores);
    kernels->backward(of->trains || of->gate ? x : of->nothing, dy, got.dx.values, geometry, tile,
        of->mask, gate, &backprojector, of->stores);
    got.finite = kernels->all_finite(x, geometry_values(geometry));
    return got;
}

static void results_free(results *of)
{
    free(of->sums);
    free(of->centered_sums);
    free(of->gradient_sums);
    free(of->centered_gradient_sums);
    free(of->y.memory);
    free(of->dx.memory);
}

static bool same_values(storage type, const void *a, const void *b, size_t count)
{
    if (memcmp(a, b, count * storage_bytes(type)) == 0) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        double left = value_get(type, a, i), right = value_get(type, b, i);
        if (memcmp(&left, &right, sizeof left) != 0 && !(isnan(left) && isnan(right))) {
            return false;
        }
    }
    return true;
}

/* The name of the first result that differs, or NULL. */
static const char *difference(const sample *of, const results *a, const results *b)
{
    size_t channels = of->geometry.channels, values = geometry_values(&of->geometry);
    if (!same_values(STORAGE_F64, a->sums, b->sums, SUMS * channels)) {
        return "sums";
    }
    if (!same_values(STORAGE_F64, a->centered_sums, b->centered_sums, CENTERED * channels)) {
        return "centered_sums";
    }
    if (!same_values(STORAGE_F64, a->gradient_sums, b->gradient_sums, SUMS * channels)) {
        return "gradient_sums";
    }
    if (!same_values(
            STORAGE_F64, a->centered_gradient_sums, b->centered_gradient_sums, SUMS * channels)) {
        return "centered_gradient_sums";
    }
    if (!same_values(of->type, a->y.memory, b->y.memory, of->y_offset + values)) {
        return "normalize";
    }
    if (!same_values(of->type, a->dx.memory, b->dx.memory, of->dx_offset + values)) {
        return "backward";
    }
    return a->finite == b->finite ? NULL : "all_finite";
}

static void fail_sample(const char *operation, const char *row, int round, const sample *of)
{
    const normd_geometry *g = &of->geometry;
    const normd_tile *t = &of->tile;
    fail_msg("%s of %s differs in round %d: %s (%zu, %zu, %zu), tile [%zu, %zu) x [%zu, %zu) x "
             "[%zu, %zu)%s%s%s%s%s%s",
        operation, row, round, storage_name(of->type), g->outer, g->channels, g->inner,
        t->outer_begin, t->outer_end, t->channel_begin, t->channel_end, t->inner_begin,
        t->inner_end, of->mask != NULL ? ", mask" : "", of->wanted != NULL ? ", wanted" : "",
        of->gate ? ", gate" : "", of->relu ? ", relu" : "", of->trains ? ", trains" : "",
        of->stores == NORMD_STORES_STREAMED ? ", streamed" : "");
}

static void every_instruction_set_gives_the_bits_of_the_reference(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 1;
    for (int round = 0; round < ROUNDS; round++) {
        sample of = sample_random(&state);
        results want = results_of(kernels_of(&table[0], of.type), &of);
        for (size_t r = 1; r < rows; r++) {
            if (!table[r].supported()) {
                continue;
            }
            results got = results_of(kernels_of(&table[r], of.type), &of);
            const char *operation = difference(&of, &want, &got);
            if (operation != NULL) {
                fail_sample(operation, table[r].name, round, &of);
            }
            results_free(&got);
        }
        results_free(&want);
        sample_free(&of);
    }
}

static bool is_pattern(const void *memory, size_t bytes)
{
    const unsigned char *at = memory;
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] != 0x55) {
            return false;
        }
    }
    return true;
}

static bool in_tile(const sample *of, size_t index)
{
    const normd_geometry *g = &of->geometry;
    const normd_tile *t = &of->tile;
    size_t i = index % g->inner, c = index / g->inner % g->channels;
    size_t o = index / g->inner / g->channels;
    return o >= t->outer_begin && o < t->outer_end && c >= t->channel_begin && c < t->channel_end &&
           i >= t->inner_begin && i < t->inner_end;
}

/* The reference leaves what is outside of the tile as it was; so do the others, since their bits
   are compared there as well. */
static void nothing_is_written_outside_of_the_tile(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 2;
    for (int round = 0; round < ROUNDS / 4; round++) {
        sample of = sample_random(&state);
        results got = results_of(kernels_of(&table[0], of.type), &of);
        size_t size = storage_bytes(of.type);
        for (size_t i = 0; i < geometry_values(&of.geometry); i++) {
            if (!in_tile(&of, i)) {
                assert_true(is_pattern((char *)got.y.values + i * size, size));
                assert_true(is_pattern((char *)got.dx.values + i * size, size));
            }
        }
        for (size_t c = 0; c < of.geometry.channels; c++) {
            bool outside = c < of.tile.channel_begin || c >= of.tile.channel_end;
            bool unwanted = outside || (of.wanted != NULL && of.wanted[c] == 0);
            assert_int_equal(is_pattern(&got.sums[c], sizeof got.sums[c]), outside);
            assert_int_equal(
                is_pattern(&got.gradient_sums[c], sizeof got.gradient_sums[c]), outside);
            assert_int_equal(
                is_pattern(&got.centered_sums[c], sizeof got.centered_sums[c]), unwanted);
            assert_int_equal(
                is_pattern(&got.centered_gradient_sums[c], sizeof got.centered_gradient_sums[c]),
                unwanted);
        }
        results_free(&got);
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
    uint64_t state = 3;
    for (int round = 0; round < ROUNDS / 2; round++) {
        sample of = sample_random(&state);
        const normd_kernels *row = &table[random_below(&state, rows)];
        if (row->supported()) {
            sample whole = of;
            whole.tile.channel_begin = 0;
            whole.tile.channel_end = of.geometry.channels;
            free(of.wanted);
            of.wanted = whole.wanted = NULL;
            results part = results_of(kernels_of(row, of.type), &of);
            results all = results_of(kernels_of(row, of.type), &whole);
            size_t begin = of.tile.channel_begin, count = of.tile.channel_end - begin;
            assert_true(
                same_values(STORAGE_F64, part.sums + begin, all.sums + begin, SUMS * count));
            assert_true(same_values(STORAGE_F64, part.centered_sums + begin,
                all.centered_sums + begin, CENTERED * count));
            assert_true(same_values(
                STORAGE_F64, part.gradient_sums + begin, all.gradient_sums + begin, SUMS * count));
            assert_true(same_values(STORAGE_F64, part.centered_gradient_sums + begin,
                all.centered_gradient_sums + begin, SUMS * count));
            results_free(&part);
            results_free(&all);
        }
        sample_free(&of);
    }
}

/* y over x and dx over dy give the same bits as y and dx elsewhere, and leave the rest. */
static void in_place_equals_out_of_place(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 4;
    for (int round = 0; round < ROUNDS / 2; round++) {
        sample of = sample_random(&state);
        const normd_kernels *row = &table[random_below(&state, rows)];
        if (row->supported()) {
            const normd_kernel_set *kernels = kernels_of(row, of.type);
            results want = results_of(kernels, &of);
            size_t bytes = storage_bytes(of.type), values = geometry_values(&of.geometry);
            for (size_t i = 0; i < values; i++) {
                if (!in_tile(&of, i)) {
                    memcpy(
                        (char *)want.y.values + i * bytes, (char *)of.x.values + i * bytes, bytes);
                    memcpy((char *)want.dx.values + i * bytes, (char *)of.dy.values + i * bytes,
                        bytes);
                }
            }
            normd_normalizer normalizer = normalizer_of(&of), gate = gate_of(&of);
            normd_backprojector backprojector = backprojector_of(&of);
            kernels->backward(of.x.values, of.dy.values, of.dy.values, &of.geometry, &of.tile,
                of.mask, of.gate ? &gate : NULL, &backprojector, of.stores);
            kernels->normalize(
                of.x.values, of.x.values, &of.geometry, &of.tile, &normalizer, of.stores);
            assert_true(same_values(of.type, of.x.values, want.y.values, values));
            assert_true(same_values(of.type, of.dy.values, want.dx.values, values));
            results_free(&want);
        }
        sample_free(&of);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_set_gives_the_bits_of_the_reference),
        cmocka_unit_test(nothing_is_written_outside_of_the_tile),
        cmocka_unit_test(bits_do_not_depend_on_the_range_of_channels),
        cmocka_unit_test(in_place_equals_out_of_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
