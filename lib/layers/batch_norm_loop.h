// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_BATCH_NORM_LOOP_H
#define NORMD_LAYERS_BATCH_NORM_LOOP_H

#include "lib/kernels/tiling.h"
#include "lib/layers/compute.h"

/*
 * What forward and backward have in common: sums over a batch in tiles, what follows from a
 * channel's sums, and with that a second walk over the tiles.
 */
typedef struct normd_batch_norm_loop normd_batch_norm_loop;

struct normd_batch_norm_loop {
    const normd_compute *compute;
    const normd_tiling *tiling;
    uint8_t *unsettled; /* room for a byte a channel */
    /* The sums of a tile; `chunk` says where its results go. */
    void (*sum)(normd_batch_norm_loop *loop, const normd_tile *tile, size_t chunk);
    /* Combines the chunks of the channels [begin, end), in their order. False: the sums have too
       few digits left somewhere, so the channels must be summed once more and settled again. */
    bool (*settle)(normd_batch_norm_loop *loop, size_t begin, size_t end);
    /* The second sums of a tile, and what follows from them. Both NULL where settle is always
       true. */
    void (*sum_again)(normd_batch_norm_loop *loop, const normd_tile *tile, size_t chunk);
    void (*settle_again)(normd_batch_norm_loop *loop, size_t begin, size_t end);
    /* What needs all channels settled, or NULL. Where it is not, a second walk may begin before. */
    void (*settle_together)(normd_batch_norm_loop *loop);
    /* The second walk, or NULL. */
    void (*apply)(normd_batch_norm_loop *loop, const normd_tile *tile);
};

/* Runs all of it on the pool: a tile after the other all at once, while it is in the cache, where a
   tile holds all values of its channels; else each over the whole batch, and the last one
   backwards, since the end of the batch is what the caches hold. */
void normd_batch_norm_loop_run(normd_batch_norm_loop *loop);

#endif
