// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/kernels/batch.h"

/*
 * moments and centered_moments of every row of the table give the bits of the reference, for sums
 * of several chunks, of all sizes and some not finite, and write nothing outside of [begin, end).
 */
enum { CHANNELS = 217, MOST_CHUNKS = 6, ROUNDS = 600 };

typedef struct inputs {
    normd_sums sums[MOST_CHUNKS * CHANNELS];
    normd_centered_sums centered[MOST_CHUNKS * CHANNELS];
    double center[CHANNELS]; /* of the real type */
    size_t chunks, begin, end;
    double count, additions;
} inputs;

static void inputs_fill(inputs *of, storage real, uint64_t *state)
{
    const double odd[] = {NAN, INFINITY, -INFINITY};
    of->chunks = 1 + random_below(state, MOST_CHUNKS);
    range_random(CHANNELS, &of->begin, &of->end, state);
    of->count = (double)(2 + random_below(state, 1000));
    of->additions = 600;
    for (size_t i = 0; i < of->chunks * CHANNELS; i++) {
        double mean = ldexp(random_unit(state), (int)random_below(state, 60) - 30);
        double each = of->count / (double)of->chunks;
        mean = random_below(state, 10) == 0 ? 0 : mean;
        double deviation = random_below(state, 10) == 0 ? 0 : fabs(random_unit(state));
        of->sums[i] = (normd_sums){each * mean, each * (mean * mean + deviation * deviation)};
        of->centered[i] =
            (normd_centered_sums){each * mean, 0x1p-60 * mean, each * deviation * deviation};
        if (random_below(state, 60) == 0) {
            of->sums[i].square = of->centered[i].square = odd[random_below(state, 3)];
            of->sums[i].value = of->centered[i].sum = odd[random_below(state, 3)];
        }
    }
    for (size_t c = 0; c < CHANNELS; c++) {
        value_set(real, of->center, c, of->centered[c].sum / of->count * (double)of->chunks);
    }
}

typedef struct outputs {
    double of[3][CHANNELS];
    uint8_t uncertain[CHANNELS];
    bool any;
} outputs;

static outputs outputs_of(const normd_kernel_set *kernels, const inputs *in, bool again)
{
    outputs out;
    memset(&out, 0x55, sizeof out);
    const normd_channel_moments moments = {out.of[0], out.of[1], out.of[2], out.uncertain};
    out.any = kernels->moments(
        in->sums, in->chunks, CHANNELS, in->count, in->additions, in->begin, in->end, &moments);
    if (again) {
        kernels->centered_moments(in->centered, in->chunks, CHANNELS, in->count, in->center,
            in->begin, in->end, &moments);
    }
    return out;
}

static bool same_or_nan(const double *a, const double *b)
{
    return memcmp(a, b, sizeof *a) == 0 || (isnan(*a) && isnan(*b));
}

static void check_same(const outputs *want, const outputs *got)
{
    for (int k = 0; k < 3; k++) {
        for (size_t c = 0; c < CHANNELS; c++) {
            assert_true(same_or_nan(&want->of[k][c], &got->of[k][c]));
        }
    }
    assert_memory_equal(want->uncertain, got->uncertain, CHANNELS);
    assert_int_equal(want->any, got->any);
}

static void every_instruction_set_gives_the_bits_of_the_reference(void **unused)
{
    (void)unused;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    uint64_t state = 91;
    inputs in;
    for (int round = 0; round < ROUNDS; round++) {
        storage type = (storage)(round % STORAGES);
        inputs_fill(&in, real_of(type), &state);
        bool again = random_below(&state, 2) == 0;
        outputs want = outputs_of(kernels_of(&table[0], type), &in, again);
        size_t uncertain = 0;
        for (size_t c = 0; c < CHANNELS; c++) {
            if (c < in.begin || c >= in.end) {
                assert_int_equal(want.uncertain[c], 0x55);
                assert_memory_equal(&want.of[2][c], "\x55\x55\x55\x55\x55\x55\x55\x55", 8);
            } else {
                uncertain += want.uncertain[c];
            }
        }
        assert_int_equal(want.any, uncertain > 0);
        for (size_t r = 1; r < rows; r++) {
            if (table[r].supported()) {
                outputs got = outputs_of(kernels_of(&table[r], type), &in, again);
                check_same(&want, &got);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_set_gives_the_bits_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
