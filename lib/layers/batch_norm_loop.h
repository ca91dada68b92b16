// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_BATCH_NORM_LOOP_H
#define NORMD_LAYERS_BATCH_NORM_LOOP_H

#include "lib/kernels/tiling.h"
#include "lib/layers/compute.h"

/* What forward and backward have in common: sums over a batch in tiles, a record of each channel
   and chunk; what follows from a channel's records; and with that a second walk over the tiles. */
typedef struct normd_batch_norm_loop {
    const normd_compute *compute;
    const normd_tiling *tiling;
    normd_tile_function sum; /* of tile `index` */
    /* Combines the chunks of the channels [begin, end), in the order of the chunks. */
    void (*finish)(void *argument, size_t begin, size_t end);
    normd_tile_function apply; /* or NULL */
    void *argument;
} normd_batch_norm_loop;

/* Runs the three on the pool: a tile after the other all at once, while it is in the cache, where
   a tile holds all rows; else each over the whole batch. */
void normd_batch_norm_loop_run(normd_batch_norm_loop loop);

#endif
