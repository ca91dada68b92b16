// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_BENCH_PASSES_H
#define NORMD_TESTS_BENCH_PASSES_H

#include <stddef.h>

#include "lib/layers/compute.h"

/*
 * The plainest passes over memory, the measure of what it can do: as many equal parts as there are
 * threads, on the same pool, by the same rule for small work as the layers. Arrays are aligned to
 * NORMD_ALIGNMENT. "Streamed" stores go past the caches; on processors without them they are plain.
 */

/* memcpy, which chooses its stores by the length of a part. */
void bench_copy(const normd_compute *compute, void *to, const void *from, size_t bytes);
void bench_copy_streamed(const normd_compute *compute, void *to, const void *from, size_t bytes);

/* Adds up what is there, as 64-bit numbers. */
void bench_read(const normd_compute *compute, const void *from, size_t bytes);

/* memset to 0. */
void bench_write(const normd_compute *compute, void *to, size_t bytes);
void bench_write_streamed(const normd_compute *compute, void *to, size_t bytes);

#endif
