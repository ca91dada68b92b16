// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm_loop.h"

#include <stdatomic.h>
#include <string.h>

#include "lib/layers/batch_norm_view.h"

enum { GROUP_CHANNELS = 128 }; /* settled at once */

/* The walk in several steps. */
typedef struct staged_walk {
    normd_batch_norm_loop *loop;
    uint8_t *unsettled; /* a byte a group of channels */
    atomic_bool any_unsettled;
} staged_walk;

static void whole_tile(void *argument, size_t index)
{
    normd_batch_norm_loop *loop = argument;
    normd_tile tile = normd_tiling_tile(loop->tiling, index);
    loop->sum(loop, &tile, 0);
    if (!loop->settle(loop, tile.channel_begin, tile.channel_end)) {
        loop->sum_again(loop, &tile, 0);
        loop->settle_again(loop, tile.channel_begin, tile.channel_end);
    }
    if (loop->apply != NULL) {
        loop->apply(loop, &tile);
    }
}

static void sum_tile(void *argument, size_t index)
{
    staged_walk *walk = argument;
    normd_tile tile = normd_tiling_tile(walk->loop->tiling, index);
    walk->loop->sum(walk->loop, &tile, index / walk->loop->tiling->ranges);
}

static void sum_tile_again(void *argument, size_t index)
{
    staged_walk *walk = argument;
    normd_tile tile = normd_tiling_tile(walk->loop->tiling, index);
    walk->loop->sum_again(walk->loop, &tile, index / walk->loop->tiling->ranges);
}

static void apply_tile(void *argument, size_t index)
{
    staged_walk *walk = argument;
    normd_tile tile = normd_tiling_tile(walk->loop->tiling, index);
    walk->loop->apply(walk->loop, &tile);
}

static size_t group_end(const staged_walk *walk, size_t group)
{
    size_t end = (group + 1) * GROUP_CHANNELS, channels = walk->loop->tiling->geometry.channels;
    return end < channels ? end : channels;
}

static void settle_group(void *argument, size_t group)
{
    staged_walk *walk = argument;
    bool done = walk->loop->settle(walk->loop, group * GROUP_CHANNELS, group_end(walk, group));
    walk->unsettled[group] = !done;
    if (!done) {
        atomic_store_explicit(&walk->any_unsettled, true, memory_order_relaxed);
    }
}

static void settle_group_again(void *argument, size_t group)
{
    staged_walk *walk = argument;
    if (walk->unsettled[group] != 0) {
        walk->loop->settle_again(walk->loop, group * GROUP_CHANNELS, group_end(walk, group));
    }
}

void normd_batch_norm_loop_run(normd_batch_norm_loop *loop)
{
    const normd_geometry *geometry = &loop->tiling->geometry;
    size_t elements = normd_batch_norm_values(geometry);
    size_t tiles = normd_tiling_tiles(loop->tiling), chunks = loop->tiling->chunks;
    if (chunks == 1 && loop->settle_together == NULL) {
        normd_compute_tiles(loop->compute, elements, tiles, whole_tile, loop);
        return;
    }
    staged_walk walk = {.loop = loop, .unsettled = loop->unsettled};
    atomic_init(&walk.any_unsettled, false);
    size_t groups = (geometry->channels + GROUP_CHANNELS - 1) / GROUP_CHANNELS;
    size_t records = chunks * geometry->channels;
    normd_compute_tiles(loop->compute, elements, tiles, sum_tile, &walk);
    normd_compute_tiles(loop->compute, records, groups, settle_group, &walk);
    if (atomic_load_explicit(&walk.any_unsettled, memory_order_relaxed)) {
        normd_compute_tiles(loop->compute, elements, tiles, sum_tile_again, &walk);
        normd_compute_tiles(loop->compute, records, groups, settle_group_again, &walk);
    }
    if (loop->settle_together != NULL) {
        loop->settle_together(loop);
    }
    if (loop->apply != NULL) {
        normd_compute_tiles_reversed(loop->compute, elements, tiles, apply_tile, &walk);
    }
}
