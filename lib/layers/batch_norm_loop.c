// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm_loop.h"

#include "lib/layers/batch_norm_memory.h"

static void finish_range(void *argument, size_t range)
{
    const normd_batch_norm_loop *loop = argument;
    size_t channels = loop->tiling->geometry.channels;
    size_t begin = range * loop->tiling->channels_per_range;
    size_t end = begin + loop->tiling->channels_per_range;
    loop->finish(loop->argument, begin, end < channels ? end : channels);
}

static void whole_tile(void *argument, size_t index)
{
    const normd_batch_norm_loop *loop = argument;
    loop->sum(loop->argument, index);
    finish_range(argument, index);
    if (loop->apply != NULL) {
        loop->apply(loop->argument, index);
    }
}

void normd_batch_norm_loop_run(normd_batch_norm_loop loop)
{
    const normd_geometry *geometry = &loop.tiling->geometry;
    size_t elements = normd_batch_norm_values(geometry);
    size_t tiles = normd_tiling_tiles(loop.tiling);
    if (loop.tiling->chunks == 1) {
        normd_compute_tiles(loop.compute, elements, tiles, whole_tile, &loop);
        return;
    }
    normd_compute_tiles(loop.compute, elements, tiles, loop.sum, loop.argument);
    normd_compute_tiles(loop.compute, loop.tiling->chunks * geometry->channels, loop.tiling->ranges,
        finish_range, &loop);
    if (loop.apply != NULL) {
        normd_compute_tiles(loop.compute, elements, tiles, loop.apply, loop.argument);
    }
}
