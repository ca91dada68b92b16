// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/channel_sums.h"

/* Channels of a tile where they lie side by side; there each has a sum of its own. Where they do
   not, a run of one channel is added up in LANES sums, so that additions need not wait. */
enum { BLOCK = 64, LANES = 8 };

static size_t blocks_of(const normd_channel_sums *sums)
{
    return sums->channels / BLOCK + (sums->channels % BLOCK != 0);
}

#define SUMS(suffix, type)                                                                         \
    static double sum_run_##suffix(const type *values, size_t count)                               \
    {                                                                                              \
        double lane[LANES] = {0};                                                                  \
        size_t i = 0;                                                                              \
        for (; i + LANES <= count; i += LANES) {                                                   \
            for (size_t k = 0; k < LANES; k++) {                                                   \
                lane[k] += (double)values[i + k];                                                  \
            }                                                                                      \
        }                                                                                          \
        for (; i < count; i++) {                                                                   \
            lane[i % LANES] += (double)values[i];                                                  \
        }                                                                                          \
        double sum = 0.0;                                                                          \
        for (size_t k = 0; k < LANES; k++) {                                                       \
            sum += lane[k];                                                                        \
        }                                                                                          \
        return sum;                                                                                \
    }                                                                                              \
    static void channel_##suffix(void *argument, size_t tile)                                      \
    {                                                                                              \
        const normd_channel_sums *s = argument;                                                    \
        size_t array = tile / s->channels;                                                         \
        size_t channel = tile % s->channels;                                                       \
        double sum = 0.0;                                                                          \
        for (size_t outer = array * s->outer; outer < (array + 1) * s->outer; outer++) {           \
            const type *values = s->values;                                                        \
            sum +=                                                                                 \
                sum_run_##suffix(values + (outer * s->channels + channel) * s->inner, s->inner);   \
        }                                                                                          \
        ((type *)s->sums)[tile] = (type)(sum / s->divisor);                                        \
    }                                                                                              \
    static void block_##suffix(void *argument, size_t tile)                                        \
    {                                                                                              \
        const normd_channel_sums *s = argument;                                                    \
        size_t array = tile / blocks_of(s);                                                        \
        size_t begin = tile % blocks_of(s) * BLOCK;                                                \
        size_t width = s->channels - begin < BLOCK ? s->channels - begin : BLOCK;                  \
        double sum[BLOCK] = {0};                                                                   \
        for (size_t outer = array * s->outer; outer < (array + 1) * s->outer; outer++) {           \
            const type *values = (const type *)s->values + outer * s->channels + begin;            \
            for (size_t i = 0; i < width; i++) {                                                   \
                sum[i] += (double)values[i];                                                       \
            }                                                                                      \
        }                                                                                          \
        type *to = (type *)s->sums + array * s->channels + begin;                                  \
        for (size_t i = 0; i < width; i++) {                                                       \
            to[i] = (type)(sum[i] / s->divisor);                                                   \
        }                                                                                          \
    }

SUMS(f32, float)
SUMS(f64, double)

void normd_channel_sums_run(const normd_compute *compute, const normd_channel_sums *sums)
{
    bool f32 = compute->dtype == NORMD_F32;
    normd_channel_sums own = *sums; /* tiles take an argument that is not const */
    size_t work = sums->arrays * sums->outer * sums->channels * sums->inner;
    if (sums->inner == 1) {
        size_t tiles = sums->arrays * blocks_of(sums);
        normd_compute_tiles(compute, work, tiles, f32 ? block_f32 : block_f64, &own);
    } else {
        normd_compute_tiles(
            compute, work, sums->arrays * sums->channels, f32 ? channel_f32 : channel_f64, &own);
    }
}
