// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_TILING_H
#define NORMD_KERNELS_TILING_H

#include <stdbool.h>

#include "lib/kernels/kernels.h"

/*
 * How a batch is cut into tiles: from its shape alone, never from the number of threads, so that
 * the results' bits do not depend on it. Tiles form a grid: channel ranges times chunks of rows.
 *
 *   - Few values in all (at most NORMD_TILE_SMALL): one tile; a plain call, no handoff.
 *   - Enough channels: ranges of a multiple of 16 channels over all rows. A channel is then reduced
 *     inside of one tile, and nothing is to be merged.
 *   - Few channels and many rows: all channels, and chunks of rows as well. A channel's partial
 *     results are merged in the order of the chunks.
 *
 *   shape (outer, channels, inner)   ranges x chunks   one tile
 *   (64, 256, 1)                          1 x 1        (64, 256)
 *   (256, 1024, 1)                       16 x 1        (256, 64)
 *   (4096, 1024, 1)                      16 x 4        (1024, 64)
 *   (32768, 1024, 1)                     16 x 32       (1024, 64)
 *   (100000, 64, 1)                       1 x 98       (1024, 64)
 *   (1000000, 3, 1)                       1 x 62       (16384, 3)
 *   (32, 64, 3136)                        4 x 32       (1, 16, 3136)
 *   (8, 2048, 49)                       128 x 1        (8, 16, 49)
 */
typedef struct normd_tiling {
    size_t ranges; /* of channels */
    size_t chunks; /* of rows; 1 means that no channel's results need merging */
    size_t channels_per_range;
    size_t rows_per_chunk;
    normd_geometry geometry;
} normd_tiling;

normd_tiling normd_tiling_of(const normd_geometry *geometry);

/* ranges * chunks; 0 where the batch holds no values. */
size_t normd_tiling_tiles(const normd_tiling *tiling);

/* Tile `index`, 0 <= index < tiles. Tiles of one chunk of rows are neighbours: index = chunk *
   ranges + range, so a channel's partial results come in the order of the index. */
normd_tile normd_tiling_tile(const normd_tiling *tiling, size_t index);

#endif
