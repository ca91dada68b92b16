// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_TILING_H
#define NORMD_KERNELS_TILING_H

#include "lib/kernels/kernels.h"

/*
 * How a batch is cut into tiles: from its shape alone, never from the number of threads, so that
 * the bits of the results do not depend on it. Tiles form a grid: ranges of channels times chunks
 * of rows.
 */
typedef struct normd_tiling {
    size_t ranges; /* of channels */
    size_t chunks; /* of rows; with 1, a channel's results need no merging */
    size_t channels_per_range;
    size_t rows_per_chunk;
    normd_geometry geometry;
} normd_tiling;

/*
 * Tiles for the reductions (moments, backward_sums), and for whatever else is done with the same
 * tile. A channel's results of the chunks are merged in the order of the chunks.
 *
 *   - A small batch is one tile: a plain call, no handoff.
 *   - A range is a multiple of 16 channels: a cache line, so that two tiles do not write into one.
 *   - Ranges are preferred, since a channel inside of one tile needs no merging. But memory is only
 *     fast in long runs: with inner = 1, batches too large for the caches are read by whole rows,
 *     or by 1024 channels where rows are longer.
 *   - Rows are cut where that leaves fewer than 32 tiles, not below 512 values of a channel.
 *
 *   shape (outer, channels, inner)    ranges x chunks    a tile's (rows, channels)
 *   (64, 256, 1)                           1 x 1             (64, 256)
 *   (256, 1024, 1)                        16 x 1             (256, 64)
 *   (4096, 1024, 1)                        1 x 8             (512, 1024)
 *   (32768, 1024, 1)                       1 x 32            (1024, 1024)
 *   (100000, 64, 1)                        1 x 31            (3328, 64)
 *   (1000000, 3, 1)                        1 x 31            (32768, 3)
 *   (32, 64, 3136)                         4 x 8             (4, 16)
 *   (32, 256, 196)                        16 x 2             (16, 16)
 *   (8, 2048, 49)                         43 x 1             (8, 48)
 *   (256, 512, 100)                       32 x 1             (256, 16)
 */
normd_tiling normd_tiling_of(const normd_geometry *geometry);

/*
 * Tiles for element-wise work that stands alone (eval, a second pass over a large batch): each is
 * one piece of memory of about 65536 values, whole rows or a part of one row.
 */
normd_tiling normd_tiling_in_order(const normd_geometry *geometry);

/* ranges * chunks; 0 where the batch holds no values. */
size_t normd_tiling_tiles(const normd_tiling *tiling);

/* Tile `index`, 0 <= index < tiles. Tiles of one chunk of rows are neighbours: index = chunk *
   ranges + range, so a channel's partial results come in the order of the index. */
normd_tile normd_tiling_tile(const normd_tiling *tiling, size_t index);

#endif
