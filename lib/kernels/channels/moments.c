// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/element.h"

/* Channels whose sums are added up at once. */
enum { BLOCK = 64 };

typedef struct block_sums {
    double value[BLOCK], square[BLOCK];
} block_sums;

static void add_chunks(
    const normd_sums *sums, size_t chunks, size_t channels, size_t count, block_sums *block)
{
    for (size_t c = 0; c < count; c++) {
        block->value[c] = sums[c].value;
        block->square[c] = sums[c].square;
    }
    for (size_t chunk = 1; chunk < chunks; chunk++) {
        const normd_sums *part = sums + chunk * channels;
        for (size_t c = 0; c < count; c++) {
            block->value[c] += part[c].value;
            block->square[c] += part[c].square;
        }
    }
}

/* Whether the bounds of BATCHNORM.md leave mean and m2 within a quarter of a last place of float.
   Doubles need more than plain sums can give. */
static inline bool is_certain(double value, double square, double m2, double count, double error)
{
#if NORMD_REAL_BITS == 32
    bool m2_is = 3 * error * square <= 0x1p-26 * m2;
    bool mean_is = (error * error) * (count * square) <= 0x1p-52 * (value * value);
    return (m2_is & mean_is) | (square == 0);
#else
    (void)value, (void)m2, (void)count, (void)error;
    return square == 0;
#endif
}

bool NORMD_KERNEL(moments)(const normd_sums *sums, size_t chunks, size_t channels, double count,
    double additions, size_t begin, size_t end, const normd_channel_moments *moments)
{
    assert(begin <= end && end <= channels);
    const double inverse = 1 / count, error = (additions + 4) * 0x1p-53;
    unsigned any = 0;
    for (size_t from = begin; from < end; from += BLOCK) {
        block_sums block;
        size_t some = end - from < BLOCK ? end - from : BLOCK;
        add_chunks(sums + from, chunks, channels, some, &block);
        double *mean = moments->mean + from, *low = moments->mean_low + from;
        double *m2 = moments->m2 + from;
        uint8_t *uncertain = moments->uncertain + from;
        for (size_t c = 0; c < some; c++) {
            double value = block.value[c], square = block.square[c];
            double rest = square - value * (value * inverse);
            rest = rest < 0 ? 0 : rest; /* NaN stays NaN */
            bool finite = value - value == 0;
            mean[c] = value * inverse;
            low[c] = 0;
            m2[c] = rest;
            uncertain[c] = finite & !is_certain(value, square, rest, count, error);
            any |= uncertain[c];
        }
    }
    return any != 0;
}
