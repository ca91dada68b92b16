// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/daemon/store/store_fixture.h"

static normd_status try_open(const place *at, const char *name, bool read_only, normd_error *error)
{
    char path[PLACE_BYTES];
    normd_directory directory;
    normd_store_options options = {.directory = path_in(at, name, path), .read_only = read_only};
    normd_status status = normd_directory_open(&options, &directory, error);
    if (status == NORMD_OK) {
        normd_directory_close(&directory);
    }
    return status;
}

static void open_well(const place *at, const char *name)
{
    normd_error error = {0};
    assert_ok(try_open(at, name, false, &error), error);
}

static void assert_refused(const place *at, const char *name, const char *part)
{
    normd_error error = {0};
    assert_store_failed(try_open(at, name, false, &error), &error, part);
}

static bool is_there(const place *at, const char *name)
{
    char path[PLACE_BYTES];
    return access(path_in(at, name, path), F_OK) == 0;
}

static void write_text(const place *at, const char *name, const char *text)
{
    char path[PLACE_BYTES];
    write_file(path_in(at, name, path), text, strlen(text));
}

static void make_folder(const place *at, const char *name)
{
    char path[PLACE_BYTES];
    assert_int_equal(mkdir(path_in(at, name, path), 0755), 0);
}

static void move(const place *at, const char *from, const char *to)
{
    char path[PLACE_BYTES], other[PLACE_BYTES];
    assert_int_equal(rename(path_in(at, from, path), path_in(at, to, other)), 0);
}

static void delete (const place *at, const char *name)
{
    char path[PLACE_BYTES];
    assert_int_equal(remove(path_in(at, name, path)), 0);
}

static void a_directory_is_made_for_its_owner_only(void **state)
{
    place *at = *state;
    char path[PLACE_BYTES];
    struct stat about;
    open_well(at, "d");
    assert_int_equal(stat(path_in(at, "d", path), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0700);
    size_t size;
    unsigned char *format = read_file(path_in(at, "d/format", path), &size);
    assert_int_equal(size, 14);
    assert_memory_equal(format, "normd store 1\n", 14);
    free(format);
    assert_true(is_there(at, "d/base/data.mdb"));
    assert_false(is_there(at, "d/base/data.mdb.tmp"));
    open_well(at, "d");
}

static void an_empty_directory_is_taken_and_a_foreign_one_refused(void **state)
{
    place *at = *state;
    make_folder(at, "empty");
    open_well(at, "empty");
    make_folder(at, "foreign");
    write_text(at, "foreign/thesis.txt", "mine");
    assert_refused(at, "foreign", "\"thesis.txt\" is");
    assert_false(is_there(at, "foreign/lock"));
    write_text(at, "file", "text");
    assert_refused(at, "file", "expected a directory");
    assert_refused(at, "none/d", "no such directory, and none can be made");
}

static void a_check_makes_nothing(void **state)
{
    place *at = *state;
    normd_error error = {0};
    assert_store_failed(try_open(at, "d", true, &error), &error, "No such file");
    assert_false(is_there(at, "d"));
    make_folder(at, "d");
    assert_store_failed(
        try_open(at, "d", true, &error), &error, "expected the directory of a store");
    assert_false(is_there(at, "d/lock"));
}

static void another_format_is_refused_by_its_number(void **state)
{
    place *at = *state;
    open_well(at, "d");
    write_text(at, "d/format", "normd store 2\n");
    assert_refused(at, "d", "expected a store of version 1, got version 2");
    static const char *const OTHERS[] = {"", "normd store 0\n", "normd store 1",
        "normd store 1 x\n", "normd store -1\n", "something else\n"};
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++) {
        write_text(at, "d/format", OTHERS[i]);
        assert_refused(at, "d", "expected the line \"normd store 1\", got something else");
    }
}

static void rows_without_a_format_are_not_made_anew(void **state)
{
    place *at = *state;
    open_well(at, "d");
    delete (at, "d/format");
    assert_refused(at, "d", "the file \"format\" is missing, but");
    delete (at, "d/base/data.mdb");
    write_text(at, "d/journal/000000000001.log", "x");
    assert_refused(at, "d", "the file \"format\" is missing, but");
    assert_true(is_there(at, "d/journal/000000000001.log"));
}

static void making_that_was_cut_off_is_made_anew_or_ended(void **state)
{
    place *at = *state;
    open_well(at, "d");
    /* Before the format file: the base is half written under its first name. */
    delete (at, "d/format");
    delete (at, "d/base/data.mdb");
    write_text(at, "d/base/data.mdb.tmp", "half");
    write_text(at, "d/format.tmp", "normd");
    open_well(at, "d");
    assert_true(is_there(at, "d/base/data.mdb"));
    assert_false(is_there(at, "d/format.tmp"));
    /* After it: only the name is missing. */
    move(at, "d/base/data.mdb", "d/base/data.mdb.tmp");
    open_well(at, "d");
    assert_true(is_there(at, "d/base/data.mdb"));
    assert_false(is_there(at, "d/base/data.mdb.tmp"));
}

static void unfinished_copies_are_removed_and_finished_ones_kept(void **state)
{
    place *at = *state;
    open_well(at, "d");
    make_folder(at, "d/saves/.a.tmp");
    make_folder(at, "d/saves/.a.tmp/base");
    write_text(at, "d/saves/.a.tmp/base/data.mdb", "half");
    make_folder(at, "d/saves/b.tmp");
    write_text(at, "d/base/other.tmp", "half");
    open_well(at, "d");
    assert_false(is_there(at, "d/saves/.a.tmp"));
    assert_true(is_there(at, "d/saves/b.tmp"));
    assert_false(is_there(at, "d/base/other.tmp"));
}

static void a_missing_journal_is_named(void **state)
{
    place *at = *state;
    open_well(at, "d");
    delete (at, "d/journal");
    assert_refused(at, "d", "in a copy made by save it is an empty directory");
}

static void a_directory_that_cannot_be_written_is_named(void **state)
{
    place *at = *state;
    char path[PLACE_BYTES];
    if (geteuid() == 0) {
        skip(); /* root may write everywhere */
    }
    make_folder(at, "d");
    assert_int_equal(chmod(path_in(at, "d", path), 0500), 0);
    assert_refused(at, "d", "lock: cannot be written");
}

#define test(f) cmocka_unit_test_setup_teardown(f, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_directory_is_made_for_its_owner_only),
        test(an_empty_directory_is_taken_and_a_foreign_one_refused),
        test(a_check_makes_nothing),
        test(another_format_is_refused_by_its_number),
        test(rows_without_a_format_are_not_made_anew),
        test(making_that_was_cut_off_is_made_anew_or_ended),
        test(unfinished_copies_are_removed_and_finished_ones_kept),
        test(a_missing_journal_is_named),
        test(a_directory_that_cannot_be_written_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
