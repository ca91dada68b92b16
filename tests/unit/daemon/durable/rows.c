// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/durable/rows.h"

static const normd_session_row a_row = {
    .order = 1,
    .version = UINT64_MAX,
    .steps = 3,
    .last_step = (uint64_t)4 << 32 | 5,
    .name = "a name\0of bytes",
    .name_length = 15,
    .description_size = 6,
    .part_size = {7, 8, 9, 10, UINT64_MAX},
    .kept = 2,
    .blobs = 12,
};

static const normd_kept_row kept_rows[] = {
    {.step = 1,
        .used = true,
        .x = {.dtype = NORMD_F32, .shape = {2, {8, 4}}},
        .x_blob = 3,
        .mask_blob = NORMD_BLOB_NONE,
        .parameters_blob = NORMD_BLOB_IMAGE,
        .statistics_blob = 2},
    {.step = UINT64_MAX,
        .update_stats = true,
        .has_mask = true,
        .x = {.dtype = NORMD_F64, .shape = {4, {2, 3, 4, 5}}},
        .mask = {.dtype = NORMD_BOOL, .shape = {3, {2, 4, 5}}},
        .x_blob = 0,
        .mask_blob = 1,
        .parameters_blob = 5,
        .statistics_blob = NORMD_BLOB_IMAGE},
};

static void write_all(normd_bytes *bytes)
{
    normd_session_row_write(bytes, &a_row);
    for (size_t i = 0; i < 2; i++) {
        normd_kept_row_write(bytes, &kept_rows[i]);
    }
    assert_false(bytes->failed);
}

static void require_same_array(const normd_array *got, const normd_array *wanted)
{
    assert_int_equal(got->dtype, wanted->dtype);
    assert_true(normd_shape_equal(&got->shape, &wanted->shape));
    assert_null(got->data);
}

static void a_row_comes_back(void **state)
{
    (void)state;
    normd_bytes bytes = {.data = NULL};
    write_all(&bytes);
    normd_cursor cursor = {.at = bytes.data, .left = bytes.size};
    normd_session_row row;
    assert_true(normd_session_row_read(&cursor, &row));
    assert_true(row.order == a_row.order && row.version == a_row.version &&
                row.steps == a_row.steps && row.last_step == a_row.last_step &&
                row.description_size == a_row.description_size);
    assert_int_equal(row.name_length, a_row.name_length);
    assert_memory_equal(row.name, a_row.name, a_row.name_length);
    assert_memory_equal(row.part_size, a_row.part_size, sizeof row.part_size);
    assert_true(row.kept == a_row.kept && row.blobs == a_row.blobs);
    for (size_t i = 0; i < 2; i++) {
        const normd_kept_row *wanted = &kept_rows[i];
        normd_kept_row got;
        assert_true(normd_kept_row_read(&cursor, &got));
        assert_true(got.step == wanted->step && got.used == wanted->used &&
                    got.update_stats == wanted->update_stats && got.has_mask == wanted->has_mask);
        assert_true(got.x_blob == wanted->x_blob && got.mask_blob == wanted->mask_blob &&
                    got.parameters_blob == wanted->parameters_blob &&
                    got.statistics_blob == wanted->statistics_blob);
        require_same_array(&got.x, &wanted->x);
        require_same_array(&got.mask, &wanted->mask);
    }
    assert_int_equal(cursor.left, 0);
    normd_bytes_free(&bytes);
}

/* Reads a row and its kept steps from memory of just their size. */
static bool reads(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    normd_cursor cursor = {.at = copy, .left = size};
    normd_session_row row;
    normd_kept_row kept;
    bool read = normd_session_row_read(&cursor, &row);
    for (size_t i = 0; i < 2 && read; i++) {
        read = normd_kept_row_read(&cursor, &kept);
    }
    free(copy);
    return read;
}

static void a_row_that_is_cut_is_none(void **state)
{
    (void)state;
    normd_bytes bytes = {.data = NULL};
    write_all(&bytes);
    assert_true(reads(bytes.data, bytes.size));
    for (size_t cut = 0; cut < bytes.size; cut++) {
        assert_false(reads(bytes.data, cut));
    }
    normd_bytes_free(&bytes);
}

static void a_row_with_a_wrong_byte_is_read_within_its_bytes(void **state)
{
    (void)state;
    normd_bytes bytes = {.data = NULL};
    write_all(&bytes);
    size_t refused = 0;
    for (size_t at = 0; at < bytes.size; at++) {
        for (unsigned flip = 1; flip < 256; flip *= 2) {
            bytes.data[at] ^= (uint8_t)flip;
            refused += !reads(bytes.data, bytes.size);
            bytes.data[at] ^= (uint8_t)flip;
        }
    }
    /* At least: the format, and the upper bytes of the name's length. */
    assert_true(refused >= 8 + 3 * 8);
    normd_bytes_free(&bytes);
}

static void an_array_that_cannot_be_is_refused(void **state)
{
    (void)state;
    const normd_array wrong[] = {
        {.dtype = (normd_dtype)NORMD_DTYPE_COUNT, .shape = {1, {1}}},
        {.dtype = NORMD_F32, .shape = {2, {SIZE_MAX, 3}}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        normd_kept_row row = kept_rows[0];
        row.x = wrong[i];
        normd_bytes bytes = {.data = NULL};
        normd_kept_row_write(&bytes, &row);
        normd_cursor cursor = {.at = bytes.data, .left = bytes.size};
        assert_false(normd_kept_row_read(&cursor, &row));
        normd_bytes_free(&bytes);
    }
}

static void keys_come_back_and_are_in_the_order_of_what_they_say(void **state)
{
    (void)state;
    const normd_state_key keys[] = {
        {.id = 1, .what = 0, .number = 0, .chunk = 0},
        {.id = 1, .what = 0, .number = 0, .chunk = 255},
        {.id = 1, .what = 0, .number = 0, .chunk = 256},
        {.id = 1, .what = 4, .number = 0, .chunk = 0},
        {.id = 1, .what = NORMD_STATE_DESCRIPTION, .number = 0, .chunk = 7},
        {.id = 1, .what = NORMD_STATE_BLOBS, .number = 1, .chunk = UINT32_MAX},
        {.id = 1, .what = NORMD_STATE_BLOBS, .number = UINT32_MAX, .chunk = 0},
        {.id = 2, .what = 0, .number = 0, .chunk = 0},
        {.id = 256, .what = 0, .number = 0, .chunk = 0},
        {.id = UINT64_MAX, .what = 1, .number = 2, .chunk = 3},
    };
    uint8_t before[NORMD_STATE_KEY_BYTES] = {0};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        uint8_t bytes[NORMD_STATE_KEY_BYTES];
        normd_state_key key;
        normd_state_key_write(&keys[i], bytes);
        assert_true(memcmp(before, bytes, sizeof bytes) < 0);
        memcpy(before, bytes, sizeof bytes);
        assert_true(normd_state_key_read((normd_store_bytes){bytes, sizeof bytes}, &key));
        assert_true(key.id == keys[i].id && key.what == keys[i].what &&
                    key.number == keys[i].number && key.chunk == keys[i].chunk);
        assert_true(normd_id_read(bytes) == keys[i].id);
        assert_false(normd_state_key_read((normd_store_bytes){bytes, sizeof bytes - 1}, &key));
        assert_false(normd_state_key_read((normd_store_bytes){bytes, 0}, &key));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_comes_back),
        cmocka_unit_test(a_row_that_is_cut_is_none),
        cmocka_unit_test(a_row_with_a_wrong_byte_is_read_within_its_bytes),
        cmocka_unit_test(an_array_that_cannot_be_is_refused),
        cmocka_unit_test(keys_come_back_and_are_in_the_order_of_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
