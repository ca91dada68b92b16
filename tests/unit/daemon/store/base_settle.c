// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/daemon/store/store_fixture.h"

/*
 * LMDB's writes fail here. A write of the first pages is the one place after which LMDB wants its
 * environment opened anew, and leaves a mixture in the file.
 */

enum { FIRST_PAGES = 8192 };

static struct {
    bool first_pages; /* fail writes there, but for the one that puts the old numbers back */
    bool that_too;
    unsigned failed;
} faults;

/* In place of the C library's, for LMDB too. */
ssize_t pwrite(int file, const void *bytes, size_t size, off_t offset);

__attribute__((visibility("default"))) ssize_t pwrite(
    int file, const void *bytes, size_t size, off_t offset)
{
    if (faults.first_pages && offset < FIRST_PAGES && (faults.failed % 2 == 0 || faults.that_too)) {
        faults.failed++;
        errno = EIO;
        return -1;
    }
    if (faults.first_pages && offset < FIRST_PAGES) {
        faults.failed++;
    }
    return (ssize_t)syscall(SYS_pwrite64, file, bytes, size, offset);
}

static void assert_commit_fails(normd_base *base)
{
    normd_error error = {0};
    unsigned char *value = made_value(1, 3000);
    assert_ok(normd_base_begin(base, &error), error);
    put_in_base(base, NORMD_STORE_META, "never committed", value, 3000);
    assert_store_failed(normd_base_commit(base, 5, 5, &error), &error, "failed");
    assert_true(faults.failed > 0);
    free(value);
}

static void copy_of(const char *from, const char *to)
{
    size_t size;
    unsigned char *whole = read_file(from, &size);
    write_file(to, whole, size);
    free(whole);
}

static void after_a_failed_first_page_the_next_transaction_works(void **state)
{
    place *at = *state;
    for (int that_too = 0; that_too < 2; that_too++) {
        normd_base *base = open_base(at->base);
        for (unsigned i = 0; i < 4; i++) {
            put_many_in_base(base, 60, 2000, i);
            sums before = read_base(base);
            faults.first_pages = true;
            faults.that_too = that_too;
            faults.failed = 0;
            assert_commit_fails(base);
            faults.first_pages = false;
            put_many_in_base(base, 60, 3000, i + 1);
            assert_true(read_base(base).rows >= before.rows);
            assert_int_equal(normd_base_known(base)->epoch, 0);
        }
        normd_base_close(base);
        base = open_base(at->base);
        assert_int_equal(read_base(base).rows, 300);
        normd_base_close(base);
    }
}

static void while_the_first_pages_fail_all_is_refused_and_kept(void **state)
{
    place *at = *state;
    normd_error error = {0};
    normd_base *base = open_base(at->base);
    put_many_in_base(base, 60, 2000, 1);
    faults.first_pages = true;
    faults.that_too = true;
    faults.failed = 0;
    assert_commit_fails(base);
    for (int i = 0; i < 3; i++) {
        assert_store_failed(normd_base_begin(base, &error), &error, "opening failed");
    }
    faults.first_pages = false;
    put_many_in_base(base, 60, 2000, 2);
    assert_int_equal(read_base(base).rows, 120);
    normd_base_close(base);
}

/* The process dies behind the failed write, and again in the transaction after it. */
static void what_a_failed_first_page_leaves_opens_again(void **state)
{
    place *at = *state;
    char left[PLACE_BYTES], later[PLACE_BYTES];
    path_in(at, "left.mdb", left);
    path_in(at, "later.mdb", later);
    for (unsigned i = 0; i < 3; i++) {
        normd_base *base = open_base(at->base);
        put_many_in_base(base, 60, 2000, i);
        sums before = read_base(base);
        faults.first_pages = true;
        faults.that_too = false;
        faults.failed = 0;
        assert_commit_fails(base);
        copy_of(at->base, left);
        faults.first_pages = false;
        normd_base_close(base);

        base = open_base(left);
        sums after = read_base(base);
        assert_memory_equal(&before, &after, sizeof before);
        faults.first_pages = true;
        faults.that_too = true;
        faults.failed = 0;
        assert_commit_fails(base); /* its rows are in pages of the failed one now */
        copy_of(left, later);
        faults.first_pages = false;
        normd_base_close(base);

        base = open_base(later);
        after = read_base(base);
        assert_memory_equal(&before, &after, sizeof before);
        put_many_in_base(base, 60, 2000, 9);
        normd_base_close(base);
    }
}

#define test(f) cmocka_unit_test_setup_teardown(f, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(after_a_failed_first_page_the_next_transaction_works),
        test(while_the_first_pages_fail_all_is_refused_and_kept),
        test(what_a_failed_first_page_leaves_opens_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
