// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/compute.h"

#include <stdatomic.h>

void normd_compute_tiles(const normd_compute *compute, size_t work, size_t tiles,
    normd_tile_function function, void *argument)
{
    bool small = work <= NORMD_COMPUTE_SMALL_WORK || tiles <= 1;
    normd_pool_for(small ? NULL : compute->pool, tiles, function, argument);
}

void normd_compute_tiles_reversed(const normd_compute *compute, size_t work, size_t tiles,
    normd_tile_function function, void *argument)
{
    bool small = work <= NORMD_COMPUTE_SMALL_WORK || tiles <= 1;
    normd_pool_for_reversed(small ? NULL : compute->pool, tiles, function, argument);
}

normd_stores normd_compute_stores(const normd_compute *compute, size_t bytes)
{
    bool streams = compute->caches.last != 0 && bytes > compute->caches.last;
    return streams ? NORMD_STORES_STREAMED : NORMD_STORES_CACHED;
}

enum { FINITE_PIECE = 1 << 16 };

typedef struct finite_loop {
    const normd_compute *compute;
    const char *values;
    size_t count;
    atomic_bool broken;
} finite_loop;

static void finite_piece(void *argument, size_t tile)
{
    finite_loop *loop = argument;
    size_t begin = tile * FINITE_PIECE;
    size_t count = loop->count - begin < FINITE_PIECE ? loop->count - begin : FINITE_PIECE;
    const char *piece = loop->values + begin * loop->compute->kernels->element_bytes;
    if (!loop->compute->kernels->all_finite(piece, count)) {
        atomic_store_explicit(&loop->broken, true, memory_order_relaxed);
    }
}

bool normd_compute_all_finite(const normd_compute *compute, const void *values, size_t count)
{
    finite_loop loop = {.compute = compute, .values = values, .count = count};
    atomic_init(&loop.broken, false);
    size_t pieces = count / FINITE_PIECE + (count % FINITE_PIECE != 0);
    normd_compute_tiles(compute, count, pieces, finite_piece, &loop);
    return !atomic_load_explicit(&loop.broken, memory_order_relaxed);
}
