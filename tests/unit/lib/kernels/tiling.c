// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/kernels/tiling.h"

#include "lib/kernels/order.h"
#include "tests/unit/lib/kernels/batch.h"

typedef normd_tiling (*tiling_function)(const normd_geometry *geometry);
static const tiling_function functions[] = {normd_tiling_of, normd_tiling_in_order};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Parts of `step` meet without a gap, none is empty, and the last one ends at `extent`. */
static bool covers(size_t parts, size_t step, size_t extent)
{
    return step > 0 && parts > 0 && (parts - 1) * step < extent &&
           extent - (parts - 1) * step <= step;
}

/* Tiles are a grid, and each axis is covered; so every position is in exactly one tile. */
static void check_cover(const normd_tiling *tiling, const normd_geometry *g, uint64_t *state)
{
    assert_true(covers(tiling->ranges, tiling->channels_per_range, g->channels));
    assert_true(covers(tiling->row_chunks, tiling->rows_per_chunk, g->outer));
    assert_true(covers(tiling->pieces, tiling->values_per_piece, g->inner));
    assert_true(tiling->chunks == tiling->row_chunks * tiling->pieces);
    assert_true(tiling->pieces == 1 || !normd_order_is_rows(g));
    size_t tiles = normd_tiling_tiles(tiling), all = smaller(tiles, 300);
    assert_true(tiles == tiling->ranges * tiling->chunks);
    for (size_t n = 0; n < all; n++) {
        size_t t = tiles <= all ? n : n == 0 ? tiles - 1 : random_below(state, tiles);
        normd_tile tile = normd_tiling_tile(tiling, t);
        size_t range = t % tiling->ranges, chunk = t / tiling->ranges;
        size_t row = chunk / tiling->pieces, piece = chunk % tiling->pieces;
        assert_true(tile.channel_begin == range * tiling->channels_per_range);
        assert_true(
            tile.channel_end == smaller(g->channels, (range + 1) * tiling->channels_per_range));
        assert_true(tile.outer_begin == row * tiling->rows_per_chunk);
        assert_true(tile.outer_end == smaller(g->outer, (row + 1) * tiling->rows_per_chunk));
        assert_true(tile.inner_begin == piece * tiling->values_per_piece);
        assert_true(tile.inner_end == smaller(g->inner, (piece + 1) * tiling->values_per_piece));
    }
}

/* Up to 2^(sum of the exponents) values. */
static normd_geometry geometry_huge(uint64_t *state)
{
    size_t outer = random_below(state, 31), channels = random_below(state, 21), inner = 0;
    if (random_below(state, 2) == 0) {
        inner = random_below(state, 5);
    } else if (random_below(state, 2) == 0) {
        inner = random_below(state, 46 - channels - outer / 2) / 2;
    }
    return (normd_geometry){1 + random_below(state, (size_t)1 << outer),
        1 + random_below(state, (size_t)1 << channels),
        1 + random_below(state, (size_t)1 << inner)};
}

static void tiles_cover_a_batch_without_overlap(void **unused)
{
    (void)unused;
    uint64_t state = 51;
    for (int round = 0; round < 20000; round++) {
        normd_geometry geometry = round % 4 == 0 ? geometry_random(&state) : geometry_huge(&state);
        for (int f = 0; f < 2; f++) {
            normd_tiling tiling = functions[f](&geometry);
            check_cover(&tiling, &geometry, &state);
        }
    }
}

static void a_batch_without_values_has_no_tiles(void **unused)
{
    (void)unused;
    const normd_geometry none = {0, 64, 1};
    for (int f = 0; f < 2; f++) {
        normd_tiling tiling = functions[f](&none);
        assert_int_equal(normd_tiling_tiles(&tiling), 0);
    }
}

static void a_small_batch_is_one_tile(void **unused)
{
    (void)unused;
    uint64_t state = 53;
    for (int round = 0; round < 5000; round++) {
        normd_geometry geometry = {1 + random_below(&state, 200), 1 + random_below(&state, 200),
            1 + random_below(&state, 100)};
        if (geometry_values(&geometry) <= 16384) {
            for (int f = 0; f < 2; f++) {
                normd_tiling tiling = functions[f](&geometry);
                assert_int_equal(normd_tiling_tiles(&tiling), 1);
            }
        }
    }
}

/* The table in tiling.h. */
static void shapes_give_the_tiles_that_are_written_down(void **unused)
{
    (void)unused;
    const struct {
        normd_geometry geometry;
        size_t ranges, chunks, rows, channels;
    } table[] = {
        {{64, 256, 1}, 1, 1, 64, 256},
        {{256, 1024, 1}, 1, 8, 32, 1024},
        {{4096, 1024, 1}, 1, 32, 128, 1024},
        {{32768, 1024, 1}, 1, 32, 1024, 1024},
        {{100000, 64, 1}, 1, 32, 3200, 64},
        {{1000000, 3, 1}, 1, 32, 31360, 3},
        {{100, 10000, 1}, 20, 1, 100, 512},
        {{32, 64, 3136}, 64, 1, 32, 1},
        {{32, 256, 196}, 32, 1, 32, 8},
        {{8, 2048, 49}, 32, 1, 8, 64},
        {{256, 512, 100}, 103, 1, 256, 5},
        {{32, 3, 50176}, 1, 32, 1, 3},
        {{512, 64, 196}, 1, 32, 16, 64},
        {{8192, 64, 196}, 1, 32, 256, 64},
        {{2, 3, 50176}, 3, 6, 1, 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        normd_tiling tiling = normd_tiling_of(&table[i].geometry);
        if (tiling.ranges != table[i].ranges || tiling.chunks != table[i].chunks ||
            tiling.rows_per_chunk != table[i].rows ||
            tiling.channels_per_range != table[i].channels) {
            fail_msg("line %zu: %zu x %zu tiles of (%zu, %zu)", i, tiling.ranges, tiling.chunks,
                tiling.rows_per_chunk, tiling.channels_per_range);
        }
    }
}

/* A tile in order is one piece of memory: of each axis, all of those inside of the one that is
   cut. */
static void tiles_in_order_are_whole_pieces(void **unused)
{
    (void)unused;
    uint64_t state = 52;
    for (int round = 0; round < 5000; round++) {
        normd_geometry geometry = geometry_huge(&state);
        normd_tiling tiling = normd_tiling_in_order(&geometry);
        assert_true(
            tiling.pieces == 1 || (tiling.channels_per_range == 1 && tiling.rows_per_chunk == 1));
        assert_true(tiling.ranges == 1 || tiling.rows_per_chunk == 1);
    }
}

/* The additions of one tile that a value may go through: the most that any lane takes in any
   segment, the levels of merging lanes, and the segments and parts. By walking over the tile. */
static size_t additions_of(const normd_geometry *geometry, const normd_tile *tile)
{
    size_t most = 0, segments = 0, levels = 0;
    normd_segment segment = normd_order_first(geometry, tile);
    for (; normd_order_holds(tile, &segment); segments++) {
        size_t lane[NORMD_ROW_LANES] = {0};
        for (size_t o = segment.outer_begin; o < segment.outer_end; o++) {
            size_t end =
                normd_order_is_rows(geometry) ? segment.inner_begin + 1 : segment.inner_end;
            for (size_t i = segment.inner_begin; i < end; i++) {
                size_t *count = &lane[normd_order_lane(geometry, &segment, o, i)];
                (*count)++;
                most = *count > most ? *count : most;
            }
        }
        segment = normd_order_next(geometry, tile, segment);
    }
    for (size_t lanes = normd_order_lanes(geometry); lanes > 1; lanes /= 2) {
        levels++;
    }
    return most + levels + segments + normd_order_parts(geometry) - 1;
}

static void check_additions(const normd_geometry *geometry, const normd_tiling *tiling)
{
    double bound = normd_tiling_additions(tiling);
    for (size_t chunk = 0; chunk < tiling->chunks; chunk++) {
        normd_tile tile = normd_tiling_tile(tiling, chunk * tiling->ranges);
        double additions = (double)(additions_of(geometry, &tile) + tiling->chunks - 1);
        if (additions > bound) {
            fail_msg("(%zu, %zu, %zu): %g additions, not %g", geometry->outer, geometry->channels,
                geometry->inner, additions, bound);
        }
    }
}

static void no_value_goes_through_more_additions_than_promised(void **unused)
{
    (void)unused;
    uint64_t state = 54;
    const normd_geometry long_ones[] = {{200000, 1, 1}, {20000, 9, 1}, {70000, 1, 15},
        {3, 1, 200000}, {900, 1, 257}, {4000, 1, 17}, {3000, 1, 31}, {1, 2, 300017},
        {20000, 1, 16}};
    for (size_t i = 0; i < sizeof long_ones / sizeof long_ones[0]; i++) {
        normd_tiling tiling = normd_tiling_of(&long_ones[i]);
        check_additions(&long_ones[i], &tiling);
        tiling = normd_tiling_in_order(&long_ones[i]);
        check_additions(&long_ones[i], &tiling);
    }
    for (int round = 0; round < 300; round++) {
        normd_geometry geometry = geometry_random(&state);
        normd_tiling tiling = normd_tiling_of(&geometry);
        check_additions(&geometry, &tiling);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_cover_a_batch_without_overlap),
        cmocka_unit_test(a_batch_without_values_has_no_tiles),
        cmocka_unit_test(a_small_batch_is_one_tile),
        cmocka_unit_test(shapes_give_the_tiles_that_are_written_down),
        cmocka_unit_test(tiles_in_order_are_whole_pieces),
        cmocka_unit_test(no_value_goes_through_more_additions_than_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
