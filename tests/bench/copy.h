// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_BENCH_COPY_H
#define NORMD_TESTS_BENCH_COPY_H

#include <stddef.h>

#include "lib/layers/compute.h"

/*
 * Plain copies, the measure of what memory can do: as many equal parts as there are threads, on the
 * same pool, by the same rule for small work as the layers.
 */

/* memcpy, which chooses its stores by the length of a part. */
void bench_copy(const normd_compute *compute, void *to, const void *from, size_t bytes);

/* Stores that bypass the caches, in pieces that the hardware's prefetcher follows. Falls back to
   memcpy on processors without them. `to` is aligned to NORMD_ALIGNMENT. */
void bench_copy_stream(const normd_compute *compute, void *to, const void *from, size_t bytes);

#endif
