// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/daemon/store/journal_fixture.h"

/* Four segments, one record each; the last has none. Taken, and the journal closed. */
static void write_segments(journal_fixture *fixture, fixture_files *files)
{
    static const char *const WORD[] = {"one", "two", "three"};
    uint64_t segment;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(journal_fixture_append(fixture, WORD[i]), NORMD_OK);
        assert_int_equal(normd_journal_seal(fixture->journal, &segment, &fixture->error), NORMD_OK);
        assert_int_equal(segment, i + 2);
    }
    journal_fixture_take(fixture, files);
    journal_fixture_close(fixture);
    assert_int_equal(files->count, 4);
}

static void assert_refused(journal_fixture *fixture, const char *says)
{
    assert_int_equal(journal_fixture_open(fixture), NORMD_STORE_FAILED);
    assert_null(fixture->journal);
    if (strstr(fixture->error.message, says) == NULL) {
        fail_msg("expected \"%s\", got \"%s\"", says, fixture->error.message);
    }
}

static void a_missing_segment_is_damage(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_segments(fixture, &files);
    static const char *const NAME[] = {"000000000001.log", "000000000002.log", "000000000003.log"};
    for (size_t i = 0; i < 3; i++) {
        journal_fixture_put(fixture, &files);
        assert_int_equal(unlinkat(fixture->directory, NAME[i], 0), 0);
        assert_refused(fixture, "expected this segment, got none");
        assert_non_null(strstr(fixture->error.message, NAME[i]));
    }
    fixture_files_free(&files);
}

/* The header of the segment anew, with a right checksum. */
static void write_header(
    journal_fixture *fixture, fixture_files *files, size_t i, const normd_segment_header *header)
{
    (void)normd_segment_header_write(header, files->file[i].bytes.data);
    journal_fixture_put(fixture, files);
}

static void another_format_version_is_refused(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_segments(fixture, &files);
    normd_segment_header header = {.version = 2, .segment = 4, .record = 4, .previous_end = 93};
    write_header(fixture, &files, 3, &header);
    assert_refused(fixture,
        "offset 8: expected format version 1, got 2: the store was written by a newer normd");
    header.version = 0;
    write_header(fixture, &files, 3, &header);
    assert_refused(fixture, "got 0: the store was written by another normd");
    fixture_files_free(&files);
}

static void a_header_that_tells_of_another_place_is_damage(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_segments(fixture, &files);
    normd_segment_header header = {.version = 1, .segment = 5, .record = 4, .previous_end = 93};
    write_header(fixture, &files, 3, &header);
    assert_refused(fixture, "000000000004.log: offset 16: expected segment 4, got segment 5");
    header.segment = 4;
    header.record = 5;
    write_header(fixture, &files, 3, &header);
    assert_refused(fixture, "offset 24: expected it to begin with record 4, got 5");
    header.record = 4;
    header.previous_end = 1000;
    write_header(fixture, &files, 3, &header);
    assert_refused(fixture,
        "000000000003.log: offset 93: expected 1000 bytes, as the next segment says, got 93");
    header.previous_end = 0;
    write_header(fixture, &files, 3, &header);
    assert_refused(fixture, "000000000003.log: offset 93: expected 0 bytes");
    header.previous_end = 93;
    write_header(fixture, &files, 3, &header);
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_true(journal_fixture_has(fixture, "one two three"));
    fixture_files_free(&files);
}

static void a_sealed_segment_that_was_cut_is_damage(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_segments(fixture, &files);
    size_t whole = files.file[1].bytes.size;
    for (size_t size = 0; size < whole; size++) {
        files.file[1].bytes.size = size;
        journal_fixture_put(fixture, &files);
        assert_refused(fixture, "journal/000000000002.log: offset ");
    }
    fixture_files_free(&files);
}

static void a_last_segment_that_was_being_made_is_removed(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_segments(fixture, &files);
    fixture_file *last = fixture_files_last(&files);
    for (size_t size = 0; size <= NORMD_SEGMENT_HEADER_BYTES; size++) {
        last->bytes.size = size;
        last->bytes.data[0] = '?';
        journal_fixture_put(fixture, &files);
        assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
        assert_true(journal_fixture_has(fixture, "one two three"));
        assert_int_equal(fixture->report.cut_bytes, size);
        assert_int_equal(journal_fixture_append(fixture, "four"), NORMD_OK);
        journal_fixture_reopen(fixture);
        assert_true(journal_fixture_has(fixture, "one two three four"));
        journal_fixture_close(fixture);
    }
    fixture_files_free(&files);
}

static void moving_the_damaged_segment_and_the_later_ones_away_goes_on(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_segments(fixture, &files);
    files.file[1].bytes.data[0] ^= 1;
    journal_fixture_put(fixture, &files);
    assert_refused(fixture,
        "journal/000000000002.log: offset 0: expected a segment's header with its checksum, got "
        "other bytes; to go on, restore the directory from a copy made with normctl save, or move "
        "this file and all later segments away and lose the records in them");
    fixture_files begin = files;
    begin.count = 1;
    journal_fixture_put(fixture, &begin);
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_true(journal_fixture_has(fixture, "one"));
    fixture_files_free(&files);
}

static void files_of_other_names_are_let_pass(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_segments(fixture, &files);
    static const char *const OTHER[] = {
        "1.log", "000000000009.log.bad", "0000000000090.log", "00000000000x.log"};
    for (size_t i = 0; i < 4; i++) {
        fixture_file *file = &files.file[files.count++];
        snprintf(file->name, sizeof file->name, "%s", OTHER[i]);
        file->bytes = (fixture_bytes){.data = calloc(1, 1), .size = 1};
    }
    journal_fixture_put(fixture, &files);
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_true(journal_fixture_has(fixture, "one two three"));
    journal_fixture_close(fixture);
    fixture_files_free(&files);
    journal_fixture_take(fixture, &files);
    assert_int_equal(files.count, 8);
    fixture_files_free(&files);
}

/* What a failed write left, and could not be taken back. */
static void what_lies_behind_the_end_of_a_sealed_segment_does_not_count(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_segments(fixture, &files);
    fixture_bytes *first = &files.file[0].bytes;
    unsigned char *grown = realloc(first->data, first->size * 2);
    assert_non_null(grown);
    memcpy(grown + first->size, grown, first->size);
    first->data = grown;
    first->size *= 2;
    journal_fixture_put(fixture, &files);
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_true(journal_fixture_has(fixture, "one two three"));
    fixture_files_free(&files);
}

static void a_length_beyond_the_file_takes_no_memory(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_segments(fixture, &files);
    fixture_bytes *bytes = &files.file[0].bytes;
    normd_segment_header header;
    uint32_t seed;
    assert_true(normd_segment_header_read(bytes->data, &header, &seed));
    normd_frame frame = {.length = UINT64_MAX - 7, .record = 1};
    normd_frame_write(&frame, seed, bytes->data + NORMD_SEGMENT_HEADER_BYTES);
    journal_fixture_put(fixture, &files);
    assert_refused(fixture, "offset 48: expected a payload of bytes: 18446744073709551608, got 3");
    fixture_files_free(&files);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, journal_fixture_set_up, journal_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_missing_segment_is_damage),
        TEST(another_format_version_is_refused),
        TEST(a_header_that_tells_of_another_place_is_damage),
        TEST(a_sealed_segment_that_was_cut_is_damage),
        TEST(a_last_segment_that_was_being_made_is_removed),
        TEST(moving_the_damaged_segment_and_the_later_ones_away_goes_on),
        TEST(files_of_other_names_are_let_pass),
        TEST(what_lies_behind_the_end_of_a_sealed_segment_does_not_count),
        TEST(a_length_beyond_the_file_takes_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
