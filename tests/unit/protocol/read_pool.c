// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "protocol/read_pool.h"

static void the_buffer_given_back_last_is_taken_first(void **state)
{
    (void)state;
    normd_read_pool pool = {.free = NULL};
    normd_read_buffer *first = normd_read_pool_take(&pool);
    normd_read_buffer *second = normd_read_pool_take(&pool);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    normd_read_pool_give(&pool, first);
    normd_read_pool_give(&pool, second);
    assert_ptr_equal(normd_read_pool_take(&pool), second);
    assert_ptr_equal(normd_read_pool_take(&pool), first);
    normd_read_pool_give(&pool, first);
    normd_read_pool_give(&pool, second);
    normd_read_pool_clear(&pool);
    assert_null(pool.free);
    assert_int_equal(pool.count, 0);
}

static void only_so_many_buffers_are_kept(void **state)
{
    (void)state;
    enum { TAKEN = NORMD_READ_BUFFERS_KEPT + 3 };
    normd_read_pool pool = {.free = NULL};
    normd_read_buffer *buffer[TAKEN];
    for (int i = 0; i < TAKEN; i++) {
        buffer[i] = normd_read_pool_take(&pool);
        assert_non_null(buffer[i]);
        memset(buffer[i]->bytes, i, sizeof buffer[i]->bytes);
    }
    for (int i = 0; i < TAKEN; i++) {
        assert_int_equal(buffer[i]->bytes[NORMD_READ_BYTES - 1], i);
        normd_read_pool_give(&pool, buffer[i]);
    }
    normd_read_pool_give(&pool, NULL);
    assert_int_equal(pool.count, NORMD_READ_BUFFERS_KEPT);
    normd_read_pool_clear(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_buffer_given_back_last_is_taken_first),
        cmocka_unit_test(only_so_many_buffers_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
