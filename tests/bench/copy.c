// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/copy.h"

#include <string.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

typedef struct copy_loop {
    char *to;
    const char *from;
    size_t bytes;
    size_t part; /* bytes of each tile, whole cache lines */
} copy_loop;

static size_t part_length(const copy_loop *loop, size_t tile)
{
    size_t begin = tile * loop->part;
    size_t left = begin < loop->bytes ? loop->bytes - begin : 0;
    return left < loop->part ? left : loop->part;
}

static void copy_tile(void *argument, size_t tile)
{
    const copy_loop *loop = argument;
    size_t begin = tile * loop->part;
    memcpy(loop->to + begin, loop->from + begin, part_length(loop, tile));
}

#if defined(__x86_64__)
static void stream_tile(void *argument, size_t tile)
{
    const copy_loop *loop = argument;
    size_t begin = tile * loop->part, length = part_length(loop, tile);
    size_t vectors = length / sizeof(__m128i);
    __m128i *to = (__m128i *)(void *)(loop->to + begin);
    const __m128i *from = (const __m128i *)(const void *)(loop->from + begin);
    for (size_t i = 0; i < vectors; i++) {
        _mm_stream_si128(to + i, _mm_loadu_si128(from + i));
    }
    size_t done = vectors * sizeof(__m128i);
    memcpy(loop->to + begin + done, loop->from + begin + done, length - done);
    _mm_sfence();
}
#else
static void stream_tile(void *argument, size_t tile)
{
    copy_tile(argument, tile);
}
#endif

static void copy_parts(const normd_compute *compute, copy_loop *loop, normd_tile_function function)
{
    size_t tiles = (size_t)normd_pool_threads(compute->pool);
    loop->part = normd_round_to_line((loop->bytes + tiles - 1) / tiles);
    normd_compute_tiles(compute, loop->bytes / sizeof(float), tiles, function, loop);
}

void bench_copy(const normd_compute *compute, void *to, const void *from, size_t bytes)
{
    copy_loop loop = {.to = to, .from = from, .bytes = bytes};
    copy_parts(compute, &loop, copy_tile);
}

void bench_copy_stream(const normd_compute *compute, void *to, const void *from, size_t bytes)
{
    copy_loop loop = {.to = to, .from = from, .bytes = bytes};
    copy_parts(compute, &loop, stream_tile);
}
