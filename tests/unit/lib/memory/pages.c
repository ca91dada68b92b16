// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/memory/buffer.h"
#include "lib/memory/pages.h"

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Bytes of [begin, begin + size) that are in memory. */
static size_t resident(void *begin, size_t size)
{
    size_t pages = (size + page_size() - 1) / page_size();
    unsigned char *flags = malloc(pages);
    assert_non_null(flags);
    assert_int_equal(mincore(begin, size, flags), 0);
    size_t there = 0;
    for (size_t i = 0; i < pages; i++) {
        there += flags[i] & 1u;
    }
    free(flags);
    return there * page_size();
}

/* Whether the system was asked for huge pages at `address`. */
static bool is_advised(const void *address)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    assert_non_null(file);
    char line[512];
    bool inside = false, advised = false;
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2) {
            inside = (uintptr_t)address >= begin && (uintptr_t)address < end;
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            advised = strstr(line, " hg") != NULL;
        }
    }
    assert_int_equal(fclose(file), 0);
    return advised;
}

static void pages_are_aligned_and_zero(void **state)
{
    (void)state;
    size_t size = NORMD_HUGE_PAGE + NORMD_HUGE_PAGE / 4;
    char *pages = normd_pages_take(size);
    assert_non_null(pages);
    assert_int_equal((uintptr_t)pages % NORMD_HUGE_PAGE, 0);
    for (size_t i = 0; i < size; i += 64) {
        assert_int_equal(pages[i], 0);
    }
    memset(pages, 1, size);
    normd_pages_give(pages, size);
}

static void pages_given_back_are_the_systems(void **state)
{
    (void)state;
    size_t size = 3 * (size_t)NORMD_HUGE_PAGE;
    char *pages = normd_pages_take(size);
    assert_non_null(pages);
    memset(pages, 1, size);
    assert_int_equal(resident(pages, size), size);
    normd_pages_give(pages, size);
    unsigned char flag;
    for (size_t i = 0; i < size; i += NORMD_HUGE_PAGE) {
        assert_int_equal(mincore(pages + i, page_size(), &flag), -1);
        assert_int_equal(errno, ENOMEM);
    }
}

static void the_system_is_asked_for_huge_pages(void **state)
{
    (void)state;
    if (access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) != 0) {
        skip();
    }
    char *pages = normd_pages_take(NORMD_HUGE_PAGE);
    assert_non_null(pages);
    assert_true(is_advised(pages));
    assert_true(is_advised(pages + NORMD_HUGE_PAGE - 1));
    normd_pages_give(pages, NORMD_HUGE_PAGE);
}

static void what_no_machine_has_is_refused(void **state)
{
    (void)state;
    assert_null(normd_pages_take(0));
    assert_null(normd_pages_take(SIZE_MAX - page_size() + 1));
    assert_null(normd_pages_take((size_t)1 << 60));
}

static void buffers_have_them_from_one_huge_page_on(void **state)
{
    (void)state;
    normd_buffer_cache *cache = normd_buffer_cache_create(0);
    for (size_t size = NORMD_HUGE_PAGE - 100; size < 40000000; size += size / 3) {
        normd_buffer *buffer = normd_buffer_take(cache, size);
        assert_non_null(buffer);
        assert_true(buffer->capacity >= size);
        assert_int_equal((uintptr_t)buffer->data % NORMD_HUGE_PAGE, 0);
        assert_int_equal(buffer->capacity % page_size(), 0);
        normd_buffer_release(buffer);
    }
    normd_buffer_cache_destroy(cache);
}

static void a_little_over_a_huge_page_does_not_take_two(void **state)
{
    (void)state;
    normd_buffer_cache *cache = normd_buffer_cache_create(0);
    size_t size = NORMD_HUGE_PAGE + 25 * page_size();
    normd_buffer *buffer = normd_buffer_take(cache, size);
    assert_non_null(buffer);
    memset(buffer->data, 1, size);
    assert_int_equal(resident(buffer->data, buffer->capacity), size);
    normd_buffer_release(buffer);
    normd_buffer_cache_destroy(cache);
}

static void a_large_buffer_that_is_kept_is_used_again(void **state)
{
    (void)state;
    normd_buffer_cache *cache = normd_buffer_cache_create(4 * (size_t)NORMD_HUGE_PAGE);
    normd_buffer *first = normd_buffer_take(cache, 3 * (size_t)NORMD_HUGE_PAGE);
    memset(first->data, 7, first->size);
    normd_buffer_release(first);
    normd_buffer *second = normd_buffer_take(cache, 3 * (size_t)NORMD_HUGE_PAGE);
    assert_ptr_equal(first, second);
    assert_int_equal(resident(second->data, second->size), second->size);
    normd_buffer_release(second);
    normd_buffer_cache_destroy(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_aligned_and_zero),
        cmocka_unit_test(pages_given_back_are_the_systems),
        cmocka_unit_test(the_system_is_asked_for_huge_pages),
        cmocka_unit_test(what_no_machine_has_is_refused),
        cmocka_unit_test(buffers_have_them_from_one_huge_page_on),
        cmocka_unit_test(a_little_over_a_huge_page_does_not_take_two),
        cmocka_unit_test(a_large_buffer_that_is_kept_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
