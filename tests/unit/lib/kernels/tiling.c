// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/kernels/tiling.h"
#include "tests/unit/lib/kernels/batch.h"

typedef normd_tiling (*tiling_function)(const normd_geometry *geometry);

/* Every (row, channel) is in exactly one tile. */
static void check_cover(tiling_function function, const normd_geometry *geometry)
{
    normd_tiling tiling = function(geometry);
    size_t tiles = normd_tiling_tiles(&tiling), pairs = 0;
    for (size_t t = 0; t < tiles; t++) {
        normd_tile tile = normd_tiling_tile(&tiling, t);
        assert_true(tile.channel_begin < tile.channel_end);
        assert_true(tile.channel_end <= geometry->channels);
        assert_true(tile.outer_begin < tile.outer_end && tile.outer_end <= geometry->outer);
        /* Neighbours meet without a gap, so counting the pairs is enough. */
        size_t range = t % tiling.ranges, chunk = t / tiling.ranges;
        assert_true(tile.channel_begin == range * tiling.channels_per_range);
        assert_true(tile.outer_begin == chunk * tiling.rows_per_chunk);
        pairs += (tile.channel_end - tile.channel_begin) * (tile.outer_end - tile.outer_begin);
        assert_true(range == 0 || tile.channel_begin % 16 == 0);
    }
    assert_true(pairs == geometry->outer * geometry->channels);
}

static void tiles_cover_a_batch_without_overlap(void **unused)
{
    (void)unused;
    uint64_t state = 51;
    for (int round = 0; round < 3000; round++) {
        normd_geometry geometry = {1 + random_below(&state, (size_t)1 << random_below(&state, 17)),
            1 + random_below(&state, (size_t)1 << random_below(&state, 13)),
            1 + random_below(&state, (size_t)1 << random_below(&state, 13))};
        if (round % 2 == 0) {
            geometry.inner = 1;
        }
        check_cover(normd_tiling_of, &geometry);
        check_cover(normd_tiling_in_order, &geometry);
    }
}

static void a_batch_without_values_has_no_tiles(void **unused)
{
    (void)unused;
    const normd_geometry none = {0, 64, 1};
    normd_tiling tiling = normd_tiling_of(&none);
    assert_int_equal(normd_tiling_tiles(&tiling), 0);
    tiling = normd_tiling_in_order(&none);
    assert_int_equal(normd_tiling_tiles(&tiling), 0);
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
        {{256, 1024, 1}, 16, 1, 256, 64},
        {{4096, 1024, 1}, 1, 8, 512, 1024},
        {{32768, 1024, 1}, 1, 32, 1024, 1024},
        {{100000, 64, 1}, 1, 31, 3328, 64},
        {{1000000, 3, 1}, 1, 31, 32768, 3},
        {{32, 64, 3136}, 4, 8, 4, 16},
        {{32, 256, 196}, 16, 2, 16, 16},
        {{8, 2048, 49}, 43, 1, 8, 48},
        {{256, 512, 100}, 32, 1, 256, 16},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        normd_tiling tiling = normd_tiling_of(&table[i].geometry);
        assert_int_equal(tiling.ranges, table[i].ranges);
        assert_int_equal(tiling.chunks, table[i].chunks);
        assert_int_equal(tiling.rows_per_chunk, table[i].rows);
        assert_int_equal(tiling.channels_per_range, table[i].channels);
    }
}

/* A tile in order is one piece of memory. */
static void tiles_in_order_are_whole_pieces(void **unused)
{
    (void)unused;
    uint64_t state = 52;
    for (int round = 0; round < 500; round++) {
        normd_geometry geometry = {1 + random_below(&state, 5000), 1 + random_below(&state, 3000),
            1 + random_below(&state, 2) * random_below(&state, 9000)};
        normd_tiling tiling = normd_tiling_in_order(&geometry);
        assert_true(tiling.ranges == 1 || tiling.rows_per_chunk == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_cover_a_batch_without_overlap),
        cmocka_unit_test(a_batch_without_values_has_no_tiles),
        cmocka_unit_test(shapes_give_the_tiles_that_are_written_down),
        cmocka_unit_test(tiles_in_order_are_whole_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
