// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_TILING_H
#define NORMD_KERNELS_TILING_H

#include "lib/kernels/kernels.h"

/*
 * How a batch is cut into tiles: from its shape alone, never from the number of threads or the
 * machine, so that the bits of the results do not depend on them. Tiles form a grid: ranges of
 * channels times chunks, and chunks are of rows, or of pieces of the runs in a row.
 *
 *   - A small batch is one tile: a plain call, no handoff.
 *   - Rows (inner < 16) lie in memory one after the other, and memory is only fast in long runs: a
 *     tile is some whole rows. With few rows, it is all rows of a range of channels.
 *   - Runs (inner >= 16): all rows of some channels, if they fit into a second-level cache and are
 *     not read in too short pieces: the sums and what is done with them then read memory once. Else
 *     whole rows, as above, or with few rows, pieces of runs.
 *
 *   shape (outer, channels, inner)    ranges x chunks    a tile's (rows, channels)
 *   (64, 256, 1)                           1 x 1             (64, 256)
 *   (256, 1024, 1)                         1 x 8             (32, 1024)
 *   (4096, 1024, 1)                        1 x 32            (128, 1024)
 *   (32768, 1024, 1)                       1 x 32            (1024, 1024)
 *   (100000, 64, 1)                        1 x 32            (3200, 64)
 *   (1000000, 3, 1)                        1 x 32            (31360, 3)
 *   (100, 10000, 1)                       20 x 1             (100, 512)
 *   (32, 64, 3136)                        64 x 1             (32, 1)
 *   (32, 256, 196)                        32 x 1             (32, 8)
 *   (8, 2048, 49)                         32 x 1             (8, 64)
 *   (256, 512, 100)                      103 x 1             (256, 5)
 *   (32, 3, 50176)                         1 x 32            (1, 3)
 *   (512, 64, 196)                         1 x 32            (16, 64)
 *   (8192, 64, 196)                        1 x 32            (256, 64)
 *   (2, 3, 50176)                          3 x 6             (1, 1)
 */
typedef struct normd_tiling {
    size_t ranges; /* of channels */
    size_t chunks; /* row_chunks * pieces; with 1, a channel's results need no merging */
    size_t row_chunks, pieces;
    size_t channels_per_range;
    size_t rows_per_chunk;
    size_t values_per_piece;
    normd_geometry geometry;
} normd_tiling;

/* Tiles for the sums, and for whatever else is done with the same tiles. A channel's results of the
   chunks are added in the order of the chunks. */
normd_tiling normd_tiling_of(const normd_geometry *geometry);

/* Tiles for element-wise work that stands alone: each is one piece of memory of about 65536 values,
   whole rows or a part of one row. */
normd_tiling normd_tiling_in_order(const normd_geometry *geometry);

/* ranges * chunks; 0 where the batch holds no values. */
size_t normd_tiling_tiles(const normd_tiling *tiling);

/* Tile `index`, 0 <= index < tiles. Tiles of one chunk are neighbours: index = chunk * ranges +
   range, so a channel's partial results come in the order of the index. */
normd_tile normd_tiling_tile(const normd_tiling *tiling, size_t index);

/* A bound on the additions that a value goes through until it is in the sum of its channel. */
double normd_tiling_additions(const normd_tiling *tiling);

#endif
