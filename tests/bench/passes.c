// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/passes.h"

#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
/* Chosen by the machine when the program starts: wider loads matter where the data is cached. */
#define WIDEST __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDEST
#endif

typedef struct memory_loop {
    char *to;
    const char *from;
    size_t bytes;
    size_t part; /* bytes of each tile, whole cache lines */
} memory_loop;

static size_t part_length(const memory_loop *loop, size_t tile)
{
    size_t begin = tile * loop->part;
    size_t left = begin < loop->bytes ? loop->bytes - begin : 0;
    return left < loop->part ? left : loop->part;
}

static void copy_tile(void *argument, size_t tile)
{
    const memory_loop *loop = argument;
    size_t begin = tile * loop->part;
    memcpy(loop->to + begin, loop->from + begin, part_length(loop, tile));
}

static void write_tile(void *argument, size_t tile)
{
    const memory_loop *loop = argument;
    memset(loop->to + tile * loop->part, 0, part_length(loop, tile));
}

typedef uint64_t line __attribute__((vector_size(64)));
enum { LINES = 8 }; /* sums that do not wait for each other */

/* The sum of all lines, folded into one number. */
WIDEST static uint64_t sum_lines(const char *from, size_t bytes)
{
    line sum[LINES] = {0};
    for (size_t i = 0; i + sizeof sum <= bytes; i += sizeof sum) {
        const line *at = (const line *)(const void *)(from + i);
        for (size_t k = 0; k < LINES; k++) {
            sum[k] += at[k];
        }
    }
    uint64_t total = 0;
    for (size_t k = 0; k < LINES; k++) {
        for (size_t i = 0; i < sizeof sum[k] / sizeof sum[k][0]; i++) {
            total += sum[k][i];
        }
    }
    return total;
}

static void read_tile(void *argument, size_t tile)
{
    const memory_loop *loop = argument;
    uint64_t sum = sum_lines(loop->from + tile * loop->part, part_length(loop, tile));
    __asm__ volatile("" : : "r"(sum)); /* the compiler may not leave the loop out */
}

#if defined(__x86_64__)
/* Stores whole lines past the caches, from `from` or zeros where it is NULL. Stores of a whole line
   are faster than four that the processor has to put together. */
__attribute__((target("avx512f"))) static void stream_lines(
    char *to, const char *from, size_t bytes)
{
    __m512i value = _mm512_setzero_si512();
    for (size_t i = 0; i < bytes; i += sizeof value) {
        value = from != NULL ? _mm512_loadu_si512(from + i) : value;
        _mm512_stream_si512((__m512i *)(void *)(to + i), value);
    }
}

static void stream_quarters(char *to, const char *from, size_t bytes)
{
    __m128i value = _mm_setzero_si128();
    for (size_t i = 0; i < bytes; i += sizeof value) {
        value = from != NULL ? _mm_loadu_si128((const __m128i *)(const void *)(from + i)) : value;
        _mm_stream_si128((__m128i *)(void *)(to + i), value);
    }
}

static void stream(char *to, const char *from, size_t bytes)
{
    size_t whole = bytes / sizeof(line) * sizeof(line);
    if (__builtin_cpu_supports("avx512f")) {
        stream_lines(to, from, whole);
    } else {
        stream_quarters(to, from, whole);
    }
    if (from != NULL) {
        memcpy(to + whole, from + whole, bytes - whole);
    } else {
        memset(to + whole, 0, bytes - whole);
    }
    _mm_sfence();
}
#else
static void stream(char *to, const char *from, size_t bytes)
{
    if (from != NULL) {
        memcpy(to, from, bytes);
    } else {
        memset(to, 0, bytes);
    }
}
#endif

static void stream_tile(void *argument, size_t tile)
{
    const memory_loop *loop = argument;
    size_t begin = tile * loop->part;
    stream(
        loop->to + begin, loop->from != NULL ? loop->from + begin : NULL, part_length(loop, tile));
}

static void run_parts(const normd_compute *compute, memory_loop loop, normd_tile_function function)
{
    size_t tiles = (size_t)normd_pool_threads(compute->pool);
    loop.part = normd_round_to_line((loop.bytes + tiles - 1) / tiles);
    normd_compute_tiles(compute, loop.bytes / sizeof(float), tiles, function, &loop);
}

void bench_copy(const normd_compute *compute, void *to, const void *from, size_t bytes)
{
    run_parts(compute, (memory_loop){.to = to, .from = from, .bytes = bytes}, copy_tile);
}

void bench_copy_streamed(const normd_compute *compute, void *to, const void *from, size_t bytes)
{
    run_parts(compute, (memory_loop){.to = to, .from = from, .bytes = bytes}, stream_tile);
}

void bench_read(const normd_compute *compute, const void *from, size_t bytes)
{
    run_parts(compute, (memory_loop){.from = from, .bytes = bytes}, read_tile);
}

void bench_write(const normd_compute *compute, void *to, size_t bytes)
{
    run_parts(compute, (memory_loop){.to = to, .bytes = bytes}, write_tile);
}

void bench_write_streamed(const normd_compute *compute, void *to, size_t bytes)
{
    run_parts(compute, (memory_loop){.to = to, .bytes = bytes}, stream_tile);
}
