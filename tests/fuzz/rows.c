// SPDX-License-Identifier: Apache-2.0
/* A row of a session, with its kept steps, and a key of the states. What is read is written again
   to the same bytes, but for what a flag or a boolean may say in several ways. */
#include <string.h>

#include "daemon/durable/rows.h"
#include "tests/fuzz/fuzz.h"

/* The two readings of a row and its lists are the same. */
static void same_again(const normd_session_row *row, const normd_kept_row *kept, size_t count)
{
    normd_bytes bytes = {.data = NULL};
    normd_session_row_write(&bytes, row);
    for (size_t i = 0; i < count; i++) {
        normd_kept_row_write(&bytes, &kept[i]);
    }
    FUZZ_REQUIRE(!bytes.failed);
    normd_cursor cursor = {.at = bytes.data, .left = bytes.size};
    normd_session_row again;
    FUZZ_REQUIRE(normd_session_row_read(&cursor, &again));
    FUZZ_REQUIRE(again.order == row->order && again.last_step == row->last_step);
    FUZZ_REQUIRE(again.name_length == row->name_length);
    FUZZ_REQUIRE(memcmp(again.name, row->name, row->name_length) == 0);
    FUZZ_REQUIRE(again.kept == row->kept && again.blobs == row->blobs);
    for (size_t i = 0; i < count; i++) {
        normd_kept_row step;
        FUZZ_REQUIRE(normd_kept_row_read(&cursor, &step));
        FUZZ_REQUIRE(step.step == kept[i].step && step.has_mask == kept[i].has_mask);
        FUZZ_REQUIRE(normd_shape_equal(&step.x.shape, &kept[i].x.shape));
        FUZZ_REQUIRE(step.statistics_blob == kept[i].statistics_blob);
    }
    FUZZ_REQUIRE(cursor.left == 0);
    normd_bytes_free(&bytes);
}

enum { MOST_KEPT = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    normd_state_key key;
    if (normd_state_key_read((normd_store_bytes){.data = data, .size = size}, &key)) {
        uint8_t bytes[NORMD_STATE_KEY_BYTES];
        normd_state_key_write(&key, bytes);
        FUZZ_REQUIRE(size == sizeof bytes && memcmp(bytes, data, size) == 0);
    }
    normd_cursor cursor = {.at = data, .left = size};
    normd_session_row row;
    if (!normd_session_row_read(&cursor, &row)) {
        return 0;
    }
    normd_kept_row kept[MOST_KEPT];
    size_t count = 0;
    while (count < MOST_KEPT && normd_kept_row_read(&cursor, &kept[count])) {
        count++;
    }
    FUZZ_REQUIRE(cursor.left <= size);
    same_again(&row, kept, count);
    return 0;
}
