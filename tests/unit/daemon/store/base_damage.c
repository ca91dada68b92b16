// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/daemon/store/store_fixture.h"

/*
 * Each kind of damage to the base: it does no harm to what is read, or it is refused with a message
 * that says how to go on; it never ends the process.
 */

enum { PAGE = 4096, RANDOM_FLIPS = 300, CUTS = 40 };

static uint64_t next_random(uint64_t *x)
{
    *x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *x >> 33;
}

/* Small and long rows, and free pages that rows left. */
static sums make_used_base(const place *at)
{
    normd_error error = {0};
    normd_base *base = open_base(at->base);
    put_many_in_base(base, 300, 400, 11);
    put_many_in_base(base, 40, 20000, 12);
    put_many_in_base(base, 300, 500, 11);
    assert_ok(normd_base_begin(base, &error), error);
    assert_ok(normd_base_delete(base, NORMD_STORE_STATE, text_bytes("row 1"), &error), error);
    commit_base(base);
    put_many_in_base(base, 40, 9000, 12);
    sums all = read_base(base);
    normd_base_close(base);
    return all;
}

/* Reads the file for a check: true when it was refused, which it must say how to go on of. */
static bool is_refused(const place *at, const sums *expected)
{
    normd_error error = {0};
    normd_base *base = NULL;
    sums read = {0};
    normd_store_reader reader = summing(&read);
    normd_base_options options = {.path = at->base, .read_only = true};
    normd_status status = normd_base_open(&options, &base, &error);
    if (status == NORMD_OK) {
        status = normd_base_read(base, &reader, NULL, &error);
        normd_base_close(base);
    }
    if (status != NORMD_OK) {
        assert_store_failed(status, &error, "data.mdb");
        assert_store_failed(status, &error, "go on with a copy made by save");
        return true;
    }
    assert_memory_equal(&read, expected, sizeof read);
    return false;
}

static void flip(const place *at, size_t offset, unsigned bit)
{
    int file = open(at->base, O_RDWR);
    unsigned char byte;
    assert_int_equal(pread(file, &byte, 1, (off_t)offset), 1);
    byte ^= (unsigned char)(1U << bit);
    assert_int_equal(pwrite(file, &byte, 1, (off_t)offset), 1);
    close(file);
}

static void a_flipped_bit_anywhere_does_no_harm_or_is_refused(void **state)
{
    place *at = *state;
    sums expected = make_used_base(at);
    size_t size;
    unsigned char *whole = read_file(at->base, &size);
    uint64_t x = 99;
    unsigned refused = 0;
    for (int i = 0; i < RANDOM_FLIPS; i++) {
        size_t offset = (size_t)(next_random(&x) % size);
        unsigned bit = (unsigned)(next_random(&x) % 8);
        flip(at, offset, bit);
        refused += is_refused(at, &expected);
        flip(at, offset, bit);
    }
    /* The rows are about a third of the file; the rest is free. */
    assert_true(refused > RANDOM_FLIPS / 6);
    assert_false(is_refused(at, &expected));
    free(whole);
}

/* What a flip leaves unrefused must not harm what is written later, either: a page listed as free
   that is not would be written over. */
static void a_base_that_is_let_pass_can_be_written_to(void **state)
{
    place *at = *state;
    sums expected = make_used_base(at);
    size_t size;
    unsigned char *whole = read_file(at->base, &size);
    uint64_t x = 7;
    for (int i = 0; i < RANDOM_FLIPS / 8; i++) {
        flip(at, (size_t)(next_random(&x) % size), (unsigned)(next_random(&x) % 8));
        if (!is_refused(at, &expected)) {
            normd_base *base = open_base(at->base);
            put_many_in_base(base, 100, 3000, 13);
            put_many_in_base(base, 60, 30000, 14);
            sums now = read_base(base);
            normd_base_close(base);
            assert_false(is_refused(at, &now));
        }
        write_file(at->base, whole, size);
    }
    free(whole);
}

static void a_flipped_bit_in_the_first_pages_or_a_header_does_no_harm_or_is_refused(void **state)
{
    place *at = *state;
    normd_base *base = open_base(at->base);
    put_many_in_base(base, 60, 300, 15);
    put_many_in_base(base, 3, 9000, 16);
    put_many_in_base(base, 60, 300, 15);
    sums expected = read_base(base);
    normd_base_close(base);
    size_t size;
    free(read_file(at->base, &size));
    unsigned refused = 0, flips = 0;
    for (size_t page = 0; page < size; page += PAGE) {
        /* All that the first two pages say; of others the header and the first nodes' places. */
        size_t bytes = page < 2 * PAGE ? 152 : 24;
        for (size_t i = 0; i < bytes * 8; i += 5) {
            flip(at, page + i / 8, (unsigned)(i % 8));
            refused += is_refused(at, &expected);
            flip(at, page + i / 8, (unsigned)(i % 8));
            flips++;
        }
    }
    assert_true(refused > flips / 4);
}

static void a_file_that_is_cut_anywhere_is_refused(void **state)
{
    place *at = *state;
    sums expected = make_used_base(at);
    size_t size;
    unsigned char *whole = read_file(at->base, &size);
    uint64_t x = 5;
    for (int i = 0; i < CUTS; i++) {
        /* The last pages may be free; half of the file is never. */
        size_t left = i < 8 ? (size_t)i * 512 : (size_t)(next_random(&x) % (size / 2));
        write_file(at->base, whole, left);
        assert_true(is_refused(at, &expected));
    }
    write_file(at->base, whole, size);
    assert_false(is_refused(at, &expected));
    free(whole);
}

/* A page as it was before: whole, with right checksums, but older than the rest. */
static void a_page_that_was_never_written_is_refused(void **state)
{
    place *at = *state;
    normd_base *base = open_base(at->base);
    put_many_in_base(base, 10, 20000, 21);
    normd_base_close(base);
    size_t size, later_size;
    unsigned char *before = read_file(at->base, &size);
    base = open_base(at->base);
    put_many_in_base(base, 10, 21000, 22);
    put_many_in_base(base, 10, 20000, 23);
    put_many_in_base(base, 300, 2000, 21);
    sums expected = read_base(base);
    normd_base_close(base);
    unsigned char *after = read_file(at->base, &later_size);
    unsigned changed = 0, refused = 0;
    for (size_t page = 0; page + PAGE <= size; page += PAGE) {
        if (memcmp(before + page, after + page, PAGE) != 0) {
            unsigned char *mixed = malloc(later_size);
            assert_non_null(mixed);
            memcpy(mixed, after, later_size);
            memcpy(mixed + page, before + page, PAGE);
            write_file(at->base, mixed, later_size);
            changed++;
            refused += is_refused(at, &expected);
            free(mixed);
        }
    }
    assert_true(changed > 3);
    assert_true(refused > 0);
    free(before);
    free(after);
}

static void assert_open_says(const place *at, const char *part)
{
    normd_error error = {0};
    normd_base *base = NULL;
    normd_status status = normd_base_open(&(normd_base_options){.path = at->base}, &base, &error);
    assert_store_failed(status, &error, part);
    assert_store_failed(status, &error, "go on with a copy made by save");
}

static void what_is_no_base_is_named(void **state)
{
    place *at = *state;
    static const char TEXT[] = "These are notes of mine, and no rows at all.\n";
    assert_open_says(at, "data.mdb is missing");
    write_file(at->base, "", 0);
    assert_open_says(at, "is damaged (it is empty)");
    write_file(at->base, TEXT, sizeof TEXT);
    assert_open_says(at, "is damaged (it is cut within its first pages)");
    char *long_text = calloc(1, 3 * PAGE);
    assert_non_null(long_text);
    memset(long_text, 'x', 3 * PAGE);
    write_file(at->base, long_text, 3 * PAGE);
    assert_open_says(at, "is damaged (page 0 does not begin as LMDB's files do)");
    free(long_text);
}

static void a_file_of_another_version_of_lmdb_is_named(void **state)
{
    place *at = *state;
    make_used_base(at);
    size_t size;
    unsigned char *whole = read_file(at->base, &size);
    whole[20] = 2;
    whole[PAGE + 20] = 2;
    write_file(at->base, whole, size);
    assert_open_says(at, "expected a file of LMDB 0.9 (layout 1), got layout 2");
    free(whole);
}

static void a_damaged_row_is_named_by_table_and_key(void **state)
{
    place *at = *state;
    normd_error error = {0};
    normd_base *base = open_base(at->base);
    unsigned char *value = made_value(31, 50);
    assert_ok(normd_base_begin(base, &error), error);
    put_in_base(base, NORMD_STORE_SESSIONS, "mnist\x01\"/7", value, 50);
    commit_base(base);
    normd_base_close(base);
    size_t size;
    unsigned char *whole = read_file(at->base, &size);
    unsigned found = 0;
    for (size_t i = 0; i + 50 <= size; i++) {
        if (memcmp(whole + i, value, 50) == 0) {
            whole[i + 49] ^= 1;
            found++;
        }
    }
    assert_true(found > 0);
    write_file(at->base, whole, size);
    assert_open_says(at, "wrong checksum of the row sessions \"mnist\\x01\\x22/7\"");
    free(whole);
    free(value);
}

/* The state of the file after each commit, as a killed process leaves it. */
static void the_file_is_whole_after_each_commit_without_a_close(void **state)
{
    place *at = *state;
    place copy;
    path_in(at, "copy", copy.base);
    normd_base *base = open_base(at->base);
    for (unsigned i = 0; i < 12; i++) {
        put_many_in_base(base, 40, i % 3 == 0 ? 9000 : 300, i % 4);
        sums expected = read_base(base);
        size_t size;
        unsigned char *whole = read_file(at->base, &size);
        write_file(copy.base, whole, size);
        free(whole);
        assert_false(is_refused(&copy, &expected));
        normd_base *again = open_base(copy.base);
        put_many_in_base(again, 40, 9000, 90);
        expected = read_base(again);
        normd_base_close(again);
        assert_false(is_refused(&copy, &expected));
    }
    normd_base_close(base);
}

#define test(f) cmocka_unit_test_setup_teardown(f, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_flipped_bit_anywhere_does_no_harm_or_is_refused),
        test(a_base_that_is_let_pass_can_be_written_to),
        test(a_flipped_bit_in_the_first_pages_or_a_header_does_no_harm_or_is_refused),
        test(a_file_that_is_cut_anywhere_is_refused),
        test(a_page_that_was_never_written_is_refused),
        test(what_is_no_base_is_named),
        test(a_file_of_another_version_of_lmdb_is_named),
        test(a_damaged_row_is_named_by_table_and_key),
        test(the_file_is_whole_after_each_commit_without_a_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
