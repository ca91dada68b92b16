// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "lib/memory/buffer.h"

static void buffers_are_aligned_and_large_enough(void **state)
{
    (void)state;
    normd_buffer_cache *cache = normd_buffer_cache_create(1 << 20);
    assert_non_null(cache);
    for (size_t size = 0; size < 5000; size = size + 1 + size / 3) {
        normd_buffer *buffer = normd_buffer_take(cache, size);
        assert_non_null(buffer);
        assert_int_equal((uintptr_t)buffer->data % NORMD_ALIGNMENT, 0);
        assert_true(buffer->capacity >= size);
        assert_true(buffer->capacity <= size + size / 4 + 2 * NORMD_ALIGNMENT);
        memset(buffer->data, 0xff, buffer->capacity);
        normd_buffer_release(buffer);
    }
    assert_int_equal(normd_buffer_cache_bytes_out(cache), 0);
    normd_buffer_cache_destroy(cache);
}

static void large_buffers_begin_on_a_page(void **state)
{
    (void)state;
    normd_buffer_cache *cache = normd_buffer_cache_create(0);
    for (size_t size = 65536; size < 5000000; size += size / 5) {
        normd_buffer *small = normd_buffer_take(cache, 64); /* shifts what malloc gives next */
        normd_buffer *buffer = normd_buffer_take(cache, size);
        assert_non_null(buffer);
        assert_int_equal((uintptr_t)buffer->data % 4096, 0);
        normd_buffer_release(buffer);
        normd_buffer_release(small);
    }
    normd_buffer_cache_destroy(cache);
}

static void a_returned_buffer_is_used_again(void **state)
{
    (void)state;
    normd_buffer_cache *cache = normd_buffer_cache_create(1 << 20);
    normd_buffer *first = normd_buffer_take(cache, 1000);
    normd_buffer_release(first);
    normd_buffer *second = normd_buffer_take(cache, 900);
    assert_ptr_equal(first, second);
    assert_int_equal(second->size, 900);
    normd_buffer_release(second);
    normd_buffer_cache_destroy(cache);
}

static void no_more_is_kept_than_asked(void **state)
{
    (void)state;
    normd_buffer_cache *cache = normd_buffer_cache_create(0);
    normd_buffer *buffer = normd_buffer_take(cache, 4096);
    assert_int_equal(normd_buffer_cache_bytes_out(cache), 4096);
    normd_buffer_release(buffer);
    assert_int_equal(normd_buffer_cache_bytes_out(cache), 0);
    normd_buffer_cache_destroy(cache);
}

static void a_tensor_that_cannot_be_is_refused(void **state)
{
    (void)state;
    normd_buffer_cache *cache = normd_buffer_cache_create(0);
    normd_error error;
    normd_tensor tensor;
    normd_shape shape = {.rank = 2, .dim = {SIZE_MAX, 2}};
    assert_int_equal(normd_tensor_take(cache, NORMD_F32, &shape, &tensor, &error), NORMD_TOO_LARGE);
    shape = (normd_shape){.rank = 2, .dim = {(size_t)1 << 30, (size_t)1 << 24}};
    assert_int_equal(normd_tensor_take(cache, NORMD_F64, &shape, &tensor, &error), NORMD_INTERNAL);
    normd_tensor_release(&tensor);
    assert_int_equal(normd_buffer_cache_bytes_out(cache), 0);
    normd_buffer_cache_destroy(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_are_aligned_and_large_enough),
        cmocka_unit_test(large_buffers_begin_on_a_page),
        cmocka_unit_test(a_returned_buffer_is_used_again),
        cmocka_unit_test(no_more_is_kept_than_asked),
        cmocka_unit_test(a_tensor_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
