// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/out_queue.h"

static normd_chunk_pool chunks;
static normd_out_queue queue;

static int set_up(void **state)
{
    (void)state;
    normd_out_queue_init(&queue, &chunks);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    normd_out_queue_clear(&queue);
    normd_chunk_pool_clear(&chunks);
    return 0;
}

/* A block whose release counts. */
typedef struct counted_block {
    normd_out_block block;
    unsigned released;
} counted_block;

static void count_release(normd_out_block *block)
{
    ((counted_block *)block)->released++;
}

static counted_block block_of(char *head, size_t head_size, char *payload, size_t payload_size)
{
    return (counted_block){.block = {.part = {{.base = head, .len = head_size},
                                         {.base = payload, .len = payload_size}},
                               .release = count_release}};
}

/* Takes `step` bytes at a time out of the queue until it is empty, as a slow peer does. */
static size_t drain(char *to, size_t step)
{
    size_t all = 0;
    uv_buf_t buffer[3];
    size_t total;
    for (unsigned count; (count = normd_out_queue_gather(&queue, buffer, 3, &total)) > 0;) {
        size_t left = step < total ? step : total;
        size_t taken = 0;
        for (unsigned i = 0; i < count && taken < left; i++) {
            size_t part = buffer[i].len < left - taken ? buffer[i].len : left - taken;
            memcpy(to + all + taken, buffer[i].base, part);
            taken += part;
        }
        normd_out_queue_sent(&queue, left);
        all += left;
    }
    return all;
}

static void small_answers_leave_together(void **state)
{
    (void)state;
    uv_buf_t buffer[4];
    size_t total;
    assert_true(normd_out_queue_copy(&queue, "one ", 4));
    assert_true(normd_out_queue_copy(&queue, "two ", 4));
    assert_true(normd_out_queue_copy(&queue, "three", 5));
    assert_int_equal(queue.bytes, 13);
    assert_int_equal(normd_out_queue_gather(&queue, buffer, 4, &total), 1);
    assert_int_equal(total, 13);
    assert_memory_equal(buffer[0].base, "one two three", 13);
}

static void blocks_stay_where_they_are_and_in_order(void **state)
{
    (void)state;
    char head[] = "head", payload[] = "payload";
    counted_block block = block_of(head, 4, payload, 7);
    assert_true(normd_out_queue_copy(&queue, "before", 6));
    normd_out_queue_put(&queue, &block.block);
    assert_true(normd_out_queue_copy(&queue, "after", 5));
    uv_buf_t buffer[8];
    size_t total;
    assert_int_equal(normd_out_queue_gather(&queue, buffer, 8, &total), 4);
    assert_int_equal(total, 22);
    assert_memory_equal(buffer[0].base, "before", 6);
    assert_ptr_equal(buffer[1].base, head);
    assert_ptr_equal(buffer[2].base, payload);
    assert_memory_equal(buffer[3].base, "after", 5);
    normd_out_queue_sent(&queue, 16);
    assert_int_equal(block.released, 0);
    normd_out_queue_sent(&queue, 1);
    assert_int_equal(block.released, 1);
    assert_int_equal(queue.bytes, 5);
}

static void any_split_gives_the_same_bytes(void **state)
{
    (void)state;
    enum { SIZE = 3 * NORMD_CHUNK_BYTES + 777 };
    char *text = malloc(SIZE), *came = malloc(2 * SIZE), *expected = malloc(2 * SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        text[i] = (char)(i * 31 + i / 251);
    }
    static const size_t steps[] = {1009, 4096, NORMD_CHUNK_BYTES, 1 << 20};
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        counted_block block = block_of(text + 5, 100, text + 1000, 70000);
        size_t size = 0;
        assert_true(normd_out_queue_copy(&queue, text, SIZE));
        normd_out_queue_put(&queue, &block.block);
        assert_true(normd_out_queue_copy(&queue, text, 50));
        memcpy(expected, text, SIZE);
        memcpy(expected + SIZE, text + 5, 100);
        memcpy(expected + SIZE + 100, text + 1000, 70000);
        memcpy(expected + SIZE + 70100, text, 50);
        size = SIZE + 70150;
        assert_int_equal(queue.bytes, size);
        assert_int_equal(drain(came, steps[s]), size);
        assert_memory_equal(came, expected, size);
        assert_int_equal(queue.bytes, 0);
        assert_int_equal(block.released, 1);
    }
    free(text);
    free(came);
    free(expected);
}

static void bytes_under_way_do_not_move_when_more_are_added(void **state)
{
    (void)state;
    uv_buf_t buffer[2];
    size_t total;
    assert_true(normd_out_queue_copy(&queue, "first", 5));
    assert_int_equal(normd_out_queue_gather(&queue, buffer, 2, &total), 1);
    const char *base = buffer[0].base;
    for (int i = 0; i < 100000; i++) {
        assert_true(normd_out_queue_copy(&queue, "more", 4));
    }
    assert_memory_equal(base, "first", 5);
    normd_out_queue_sent(&queue, total);
    assert_int_equal(normd_out_queue_gather(&queue, buffer, 1, &total), 1);
    assert_memory_equal(buffer[0].base, "more", 4);
}

static void a_cleared_queue_releases_what_was_not_sent(void **state)
{
    (void)state;
    char head[] = "head";
    counted_block one = block_of(head, 4, NULL, 0), two = block_of(head, 4, NULL, 0);
    normd_out_queue_put(&queue, &one.block);
    assert_true(normd_out_queue_copy(&queue, "x", 1));
    normd_out_queue_put(&queue, &two.block);
    normd_out_queue_sent(&queue, 2);
    normd_out_queue_clear(&queue);
    assert_int_equal(one.released, 1);
    assert_int_equal(two.released, 1);
    assert_int_equal(queue.bytes, 0);
    uv_buf_t buffer[1];
    size_t total;
    assert_int_equal(normd_out_queue_gather(&queue, buffer, 1, &total), 0);
}

static void a_block_without_bytes_is_released_at_once(void **state)
{
    (void)state;
    counted_block empty = block_of(NULL, 0, NULL, 0);
    normd_out_queue_put(&queue, &empty.block);
    assert_int_equal(empty.released, 1);
    assert_null(queue.first);
}

static void sent_chunks_are_used_again(void **state)
{
    (void)state;
    uv_buf_t buffer[1];
    size_t total;
    assert_true(normd_out_queue_copy(&queue, "x", 1));
    normd_out_queue_gather(&queue, buffer, 1, &total);
    const char *base = buffer[0].base;
    normd_out_queue_sent(&queue, 1);
    assert_int_equal(chunks.count, 1);
    assert_true(normd_out_queue_copy(&queue, "y", 1));
    assert_int_equal(chunks.count, 0);
    normd_out_queue_gather(&queue, buffer, 1, &total);
    assert_ptr_equal(buffer[0].base, base);
    assert_int_equal(total, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(small_answers_leave_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(blocks_stay_where_they_are_and_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_split_gives_the_same_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            bytes_under_way_do_not_move_when_more_are_added, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_cleared_queue_releases_what_was_not_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_block_without_bytes_is_released_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sent_chunks_are_used_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
