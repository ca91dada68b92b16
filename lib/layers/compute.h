// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_COMPUTE_H
#define NORMD_LAYERS_COMPUTE_H

#include "lib/base/array.h"
#include "lib/kernels/kernels.h"
#include "lib/memory/buffer.h"
#include "lib/memory/cache_sizes.h"
#include "lib/pool/pool.h"

/*
 * What layers and losses compute with: the workers, the kernels of the session's type, and where
 * temporary memory comes from. Immutable; shared by all threads.
 */
typedef struct normd_compute {
    normd_pool *pool; /* or NULL: everything on the calling thread */
    const normd_kernel_set *kernels;
    normd_buffer_cache *buffers;
    normd_dtype dtype;        /* F32 or F64 */
    normd_cache_sizes caches; /* zeros: stores never go past them */
} normd_compute;

/* Below this many element operations a loop is done where it stands: waking a worker costs more. */
enum { NORMD_COMPUTE_SMALL_WORK = 1 << 15 };

/* Runs the tiles on the pool, or in a plain loop when `work` (element operations in all) is small.
   The tiles do not depend on either, so neither do the results. */
void normd_compute_tiles(const normd_compute *compute, size_t work, size_t tiles,
    normd_tile_function function, void *argument);

/* The same with the tiles from the last to the first. */
void normd_compute_tiles_reversed(const normd_compute *compute, size_t work, size_t tiles,
    normd_tile_function function, void *argument);

/* How the last pass over `bytes` of input and output writes: past the caches where they do not hold
   all of it. The values are the same. */
normd_stores normd_compute_stores(const normd_compute *compute, size_t bytes);

/* Whether all `count` values of the compute's type are finite, checked in pieces on the pool. */
bool normd_compute_all_finite(const normd_compute *compute, const void *values, size_t count);

/* One value of F32 or F64 data as double, and back, rounded to nearest. For loops over C values; a
   loop over a batch has a typed body. */
static inline double normd_value_load(normd_dtype dtype, const void *values, size_t index)
{
    return dtype == NORMD_F32 ? (double)((const float *)values)[index]
                              : ((const double *)values)[index];
}

static inline void normd_value_store(normd_dtype dtype, void *values, size_t index, double value)
{
    if (dtype == NORMD_F32) {
        ((float *)values)[index] = (float)value;
    } else {
        ((double *)values)[index] = value;
    }
}

/* `size` rounded up to whole cache lines. */
static inline size_t normd_round_to_line(size_t size)
{
    return (size + (NORMD_ALIGNMENT - 1)) / NORMD_ALIGNMENT * NORMD_ALIGNMENT;
}

#endif
