// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/daemon/store/journal_fixture.h"

static void an_empty_directory_is_an_empty_journal(void **state)
{
    journal_fixture *fixture = *state;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_true(journal_fixture_has(fixture, ""));
    assert_int_equal(fixture->report.records, 0);
    assert_int_equal(normd_journal_bytes(fixture->journal), NORMD_SEGMENT_HEADER_BYTES);
    assert_false(normd_journal_wants_checkpoint(fixture->journal));
}

static void records_come_back_in_their_order(void **state)
{
    journal_fixture *fixture = *state;
    for (normd_store_sync sync = NORMD_STORE_SYNC_ALWAYS; sync <= NORMD_STORE_SYNC_NO; sync++) {
        fixture->sync = sync;
        journal_fixture_begin_at(fixture, 1 + 10 * (uint64_t)sync);
        assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
        assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
        const char *const group[] = {"two", "three", "four"};
        assert_int_equal(journal_fixture_append_many(fixture, group, 3), NORMD_OK);
        journal_fixture_reopen(fixture);
        assert_true(journal_fixture_has(fixture, "one two three four"));
        assert_int_equal(fixture->report.records, 4);
        assert_int_equal(fixture->report.record_bytes, 15);
        assert_int_equal(fixture->report.cut_bytes, 0);
        assert_int_equal(journal_fixture_append(fixture, "five"), NORMD_OK);
        journal_fixture_crash(fixture);
        assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
        assert_true(journal_fixture_has(fixture, "one two three four five"));
        journal_fixture_close(fixture);
    }
    assert_int_equal(fixture->notes, 0);
}

static void starts_without_records_do_not_add_segments(void **state)
{
    journal_fixture *fixture = *state;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
    for (int i = 0; i < 5; i++) {
        journal_fixture_reopen(fixture);
        assert_true(journal_fixture_has(fixture, "one"));
    }
    fixture_files files;
    journal_fixture_take(fixture, &files);
    assert_int_equal(files.count, 2);
    fixture_files_free(&files);
}

static void what_a_checkpoint_replaced_is_removed(void **state)
{
    journal_fixture *fixture = *state;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
    uint64_t segment = 0;
    assert_int_equal(normd_journal_seal(fixture->journal, &segment, &fixture->error), NORMD_OK);
    assert_int_equal(segment, 2);
    assert_int_equal(journal_fixture_append(fixture, "two"), NORMD_OK);
    uint64_t bytes = normd_journal_bytes(fixture->journal);
    normd_journal_remove(fixture->journal, segment);
    assert_int_equal(bytes - normd_journal_bytes(fixture->journal),
        NORMD_SEGMENT_HEADER_BYTES + NORMD_FRAME_HEADER_BYTES + 3);
    assert_int_equal(faccessat(fixture->directory, "000000000001.log", F_OK, 0), -1);
    fixture->first = segment;
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "two"));
}

static void the_segment_in_use_is_never_removed(void **state)
{
    journal_fixture *fixture = *state;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
    normd_journal_remove(fixture->journal, 99);
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "one"));
}

static void a_segment_that_cannot_be_removed_is_noted(void **state)
{
    journal_fixture *fixture = *state;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
    uint64_t segment;
    assert_int_equal(normd_journal_seal(fixture->journal, &segment, &fixture->error), NORMD_OK);
    /* A folder in its place cannot be unlinked. */
    assert_int_equal(unlinkat(fixture->directory, "000000000001.log", 0), 0);
    assert_int_equal(mkdirat(fixture->directory, "000000000001.log", 0700), 0);
    normd_journal_remove(fixture->journal, segment);
    assert_int_equal(fixture->notes, 1);
    assert_non_null(strstr(fixture->note, "journal/000000000001.log: cannot remove it"));
}

static void left_overs_of_a_checkpoint_are_removed_at_the_start(void **state)
{
    journal_fixture *fixture = *state;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
    assert_int_equal(
        normd_journal_seal(fixture->journal, &fixture->first, &fixture->error), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "two"), NORMD_OK);
    journal_fixture_close(fixture);
    fixture->read_only = true;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_true(journal_fixture_has(fixture, "two"));
    assert_int_equal(faccessat(fixture->directory, "000000000001.log", F_OK, 0), 0);
    fixture->read_only = false;
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "two"));
    assert_int_equal(faccessat(fixture->directory, "000000000001.log", F_OK, 0), -1);
}

static void a_read_only_journal_changes_nothing(void **state)
{
    journal_fixture *fixture = *state;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
    journal_fixture_crash(fixture);
    fixture->read_only = true;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    uint64_t segment;
    assert_int_equal(journal_fixture_append(fixture, "two"), NORMD_STORE_FAILED);
    assert_non_null(strstr(fixture->error.message, "read-only"));
    assert_int_equal(
        normd_journal_seal(fixture->journal, &segment, &fixture->error), NORMD_STORE_FAILED);
    journal_fixture_close(fixture);
    fixture_files files;
    journal_fixture_take(fixture, &files);
    assert_int_equal(files.count, 1);
    assert_int_equal(
        files.file[0].bytes.size, NORMD_SEGMENT_HEADER_BYTES + NORMD_FRAME_HEADER_BYTES + 3);
    fixture_files_free(&files);
}

static normd_status refuse(void *context, normd_store_bytes record, normd_error *error)
{
    (void)context;
    return normd_error_set(error, NORMD_BAD_REQUEST, "got %zu bytes", record.size);
}

static void what_the_reader_answers_ends_the_opening(void **state)
{
    journal_fixture *fixture = *state;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
    journal_fixture_close(fixture);
    normd_journal_options options = {.directory = fixture->directory};
    assert_int_equal(normd_journal_open(&options, 1, refuse, NULL, &fixture->report,
                         &fixture->journal, &fixture->error),
        NORMD_BAD_REQUEST);
    assert_string_equal(fixture->error.message, "got 3 bytes");
    assert_null(fixture->journal);
}

static void a_journal_that_was_taken_away_is_missed(void **state)
{
    journal_fixture *fixture = *state;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
    uint64_t segment;
    assert_int_equal(normd_journal_seal(fixture->journal, &segment, &fixture->error), NORMD_OK);
    journal_fixture_close(fixture);
    assert_int_equal(unlinkat(fixture->directory, "000000000001.log", 0), 0);
    assert_int_equal(unlinkat(fixture->directory, "000000000002.log", 0), 0);
    fixture->first = segment;
    assert_int_equal(journal_fixture_open(fixture), NORMD_STORE_FAILED);
    assert_non_null(strstr(fixture->error.message, "journal/000000000002.log"));
    assert_non_null(strstr(fixture->error.message, "got none at all"));
    /* Only a copy may begin without, and only once. */
    journal_fixture_begin_at(fixture, segment);
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    journal_fixture_close(fixture);
    assert_int_equal(faccessat(fixture->directory, NORMD_JOURNAL_OF_COPY, F_OK, 0), -1);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, journal_fixture_set_up, journal_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_directory_is_an_empty_journal),
        TEST(records_come_back_in_their_order),
        TEST(starts_without_records_do_not_add_segments),
        TEST(what_a_checkpoint_replaced_is_removed),
        TEST(the_segment_in_use_is_never_removed),
        TEST(a_segment_that_cannot_be_removed_is_noted),
        TEST(left_overs_of_a_checkpoint_are_removed_at_the_start),
        TEST(a_read_only_journal_changes_nothing),
        TEST(what_the_reader_answers_ends_the_opening),
        TEST(a_journal_that_was_taken_away_is_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
