// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/daemon/store/journal_fixture.h"

/* Two segments; all but "zeta" are known to be on the disk by what was written behind them. */
static void write_small_journal(journal_fixture *fixture, fixture_files *files)
{
    uint64_t segment;
    const char *const group[] = {"alpha", "beta"};
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(journal_fixture_append_many(fixture, group, 2), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "gamma"), NORMD_OK);
    assert_int_equal(normd_journal_seal(fixture->journal, &segment, &fixture->error), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "delta"), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "epsilon"), NORMD_OK);
    normd_journal_tick(fixture->journal);
    normd_journal_tick(fixture->journal);
    assert_int_equal(journal_fixture_append(fixture, "zeta"), NORMD_OK);
    journal_fixture_take(fixture, files);
    journal_fixture_close(fixture);
    assert_int_equal(files->count, 2);
}

static const char *const ALL[] = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta"};
enum { KNOWN = 5, RECORDS = 6 };

/* What was read is how the journal begins. */
static void assert_begins_alike(const journal_fixture *fixture)
{
    assert_in_range(fixture->records, 0, RECORDS);
    for (size_t i = 0; i < fixture->records; i++) {
        assert_int_equal(fixture->record[i].size, strlen(ALL[i]));
        assert_memory_equal(fixture->record[i].data, ALL[i], strlen(ALL[i]));
    }
}

/* One file anew, in place. */
static void put_file(const journal_fixture *fixture, const fixture_file *from, size_t size)
{
    int file = openat(fixture->directory, from->name, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(write(file, from->bytes.data, size), size);
    close(file);
}

static void a_flip_is_damage_or_costs_the_last_record_only(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_small_journal(fixture, &files);
    journal_fixture_put(fixture, &files);
    fixture->read_only = true;
    size_t refused = 0, cut = 0;
    for (size_t i = 0; i < files.count; i++) {
        fixture_file *file = &files.file[i];
        for (size_t bit = 0; bit < 8 * file->bytes.size; bit++) {
            file->bytes.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
            put_file(fixture, file, file->bytes.size);
            normd_status status = journal_fixture_open(fixture);
            assert_begins_alike(fixture);
            if (status == NORMD_OK) {
                assert_int_equal(fixture->records, KNOWN);
                assert_true(fixture->report.cut_bytes > 0);
                assert_int_equal(i, 1);
                cut++;
            } else {
                assert_int_equal(status, NORMD_STORE_FAILED);
                assert_non_null(strstr(fixture->error.message, file->name));
                assert_non_null(strstr(fixture->error.message, "expected"));
                refused++;
            }
            journal_fixture_close(fixture);
            file->bytes.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        put_file(fixture, file, file->bytes.size);
    }
    /* The marker and the record behind it. */
    assert_int_equal(cut, 8 * (2 * NORMD_FRAME_HEADER_BYTES + 4));
    assert_true(refused > 0);
    fixture_files_free(&files);
}

static void every_length_of_the_last_segment_opens(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_small_journal(fixture, &files);
    const fixture_file *last = fixture_files_last(&files);
    static const size_t SIZES[] = {5, 7, 0, 4};
    for (size_t size = 0; size <= last->bytes.size; size++) {
        size_t whole = 3, end = NORMD_SEGMENT_HEADER_BYTES, good = size < end ? 0 : end;
        for (size_t i = 0; i < 4; i++) {
            end += NORMD_FRAME_HEADER_BYTES + SIZES[i];
            whole += end <= size && SIZES[i] > 0;
            good = end <= size ? end : good;
        }
        journal_fixture_put(fixture, &files);
        put_file(fixture, last, size);
        assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
        assert_begins_alike(fixture);
        assert_int_equal(fixture->records, whole);
        assert_int_equal(fixture->report.cut_bytes, size - good);
        assert_int_equal(journal_fixture_append(fixture, "more"), NORMD_OK);
        journal_fixture_reopen(fixture);
        assert_int_equal(fixture->records, whole + 1);
        assert_int_equal(fixture->report.cut_bytes, 0);
        journal_fixture_close(fixture);
    }
    fixture_files_free(&files);
}

static void a_flip_in_the_tail_is_cut_off_for_good(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_small_journal(fixture, &files);
    fixture_file *last = fixture_files_last(&files);
    last->bytes.data[last->bytes.size - 1] ^= 1;
    journal_fixture_put(fixture, &files);
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_true(journal_fixture_has(fixture, "alpha beta gamma delta epsilon"));
    assert_int_equal(fixture->report.cut_bytes, NORMD_FRAME_HEADER_BYTES + 4);
    assert_non_null(strstr(fixture->note, "cut off 44 bytes"));
    assert_int_equal(journal_fixture_append(fixture, "eta"), NORMD_OK);
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "alpha beta gamma delta epsilon eta"));
    fixture_files_free(&files);
}

static void zeros_behind_the_last_record_are_a_tail(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_small_journal(fixture, &files);
    journal_fixture_put(fixture, &files);
    int file = openat(fixture->directory, fixture_files_last(&files)->name, O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(file, 1 << 20), 0);
    close(file);
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_true(journal_fixture_has(fixture, "alpha beta gamma delta epsilon zeta"));
    fixture_files_free(&files);
}

/* Takes `size` bytes at `at` out of the file, or doubles them. */
static void change_middle(fixture_file *file, size_t at, size_t size, bool twice)
{
    size_t tail = file->bytes.size - at - size;
    unsigned char *bytes = malloc(file->bytes.size + size);
    assert_non_null(bytes);
    memcpy(bytes, file->bytes.data, at + size);
    size_t to = twice ? at + size : at;
    memcpy(bytes + to, file->bytes.data + at + (twice ? 0 : size), twice ? size + tail : tail);
    file->bytes.size = to + (twice ? size + tail : tail);
    free(file->bytes.data);
    file->bytes.data = bytes;
}

static void a_lost_or_doubled_frame_is_damage(void **state)
{
    journal_fixture *fixture = *state;
    for (int twice = 0; twice < 2; twice++) {
        fixture_files files;
        write_small_journal(fixture, &files);
        /* "delta" */
        change_middle(fixture_files_last(&files), NORMD_SEGMENT_HEADER_BYTES,
            NORMD_FRAME_HEADER_BYTES + 5, twice == 1);
        journal_fixture_put(fixture, &files);
        assert_int_equal(journal_fixture_open(fixture), NORMD_STORE_FAILED);
        assert_non_null(
            strstr(fixture->error.message, twice == 1 ? "offset 93: expected record 5, got 4"
                                                      : "offset 48: expected record 4, got 5"));
        fixture_files_free(&files);
        fixture_files none = {.count = 0};
        journal_fixture_put(fixture, &none);
    }
}

static void damage_says_how_to_go_on_and_that_works(void **state)
{
    journal_fixture *fixture = *state;
    fixture_files files;
    write_small_journal(fixture, &files);
    /* The payload of "epsilon", which the marker vouches for. */
    fixture_file *last = fixture_files_last(&files);
    size_t offset = NORMD_SEGMENT_HEADER_BYTES + NORMD_FRAME_HEADER_BYTES + 5;
    last->bytes.data[offset + NORMD_FRAME_HEADER_BYTES] ^= 0x20;
    journal_fixture_put(fixture, &files);
    assert_int_equal(journal_fixture_open(fixture), NORMD_STORE_FAILED);
    assert_string_equal(fixture->error.message,
        "journal/000000000002.log: offset 93: expected a payload with its frame's checksum, got "
        "other bytes, though the frame at offset 140 says that it was on the disk; to go on, "
        "restore the directory from a copy made with normctl save, or cut this file there "
        "(truncate -s 93), move all later segments away, and lose the records from there on");
    put_file(fixture, last, offset);
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_true(journal_fixture_has(fixture, "alpha beta gamma delta"));
    fixture_files_free(&files);
}

/* A client may send bytes that look like a frame which vouches for all before it. */
static void no_payload_is_taken_for_a_frame(void **state)
{
    journal_fixture *fixture = *state;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    unsigned char bytes[NORMD_FRAME_HEADER_BYTES];
    normd_frame frame = {.kind = NORMD_FRAME_MARKER, .record = 100, .synced = 99};
    normd_segment_header guess = {.version = 1, .segment = 1, .record = 1};
    unsigned char header[NORMD_SEGMENT_HEADER_BYTES];
    uint32_t seed = normd_segment_header_write(&guess, header);
    normd_frame_write(&frame, seed, bytes);
    normd_store_bytes piece = {.data = bytes, .size = sizeof bytes};
    normd_store_record record = {.piece = &piece, .pieces = 1};
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
    assert_int_equal(normd_journal_append(fixture->journal, &record, 1, &fixture->error), NORMD_OK);
    fixture_files files;
    journal_fixture_take(fixture, &files);
    journal_fixture_close(fixture);
    /* The header of the frame around it. */
    fixture_files_last(&files)
        ->bytes.data[NORMD_SEGMENT_HEADER_BYTES + NORMD_FRAME_HEADER_BYTES + 4] ^= 1;
    journal_fixture_put(fixture, &files);
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_true(journal_fixture_has(fixture, "one"));
    fixture_files_free(&files);
}

/* The proof may lie further behind than one reading takes, and across where two readings meet. */
static void proof_is_found_wherever_it_lies(void **state)
{
    journal_fixture *fixture = *state;
    static const size_t SIZES[] = {1 << 18, (1 << 18) - 40, (1 << 18) - 60, 3 << 18, 100};
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
        unsigned char *bytes = malloc(SIZES[i]);
        assert_non_null(bytes);
        memset(bytes, 'n', SIZES[i]);
        normd_store_bytes piece = {.data = bytes, .size = SIZES[i]};
        normd_store_record record = {.piece = &piece, .pieces = 1};
        assert_int_equal(
            normd_journal_append(fixture->journal, &record, 1, &fixture->error), NORMD_OK);
        assert_int_equal(journal_fixture_append(fixture, "proof"), NORMD_OK);
        free(bytes);
        fixture_files files;
        journal_fixture_take(fixture, &files);
        journal_fixture_close(fixture);
        fixture_files_last(&files)->bytes.data[NORMD_SEGMENT_HEADER_BYTES] ^= 1;
        journal_fixture_put(fixture, &files);
        assert_int_equal(journal_fixture_open(fixture), NORMD_STORE_FAILED);
        assert_non_null(strstr(fixture->error.message, "offset 48: expected a frame's header"));
        fixture_files_free(&files);
        fixture_files none = {.count = 0};
        journal_fixture_put(fixture, &none);
    }
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, journal_fixture_set_up, journal_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_flip_is_damage_or_costs_the_last_record_only),
        TEST(every_length_of_the_last_segment_opens),
        TEST(a_flip_in_the_tail_is_cut_off_for_good),
        TEST(zeros_behind_the_last_record_are_a_tail),
        TEST(a_lost_or_doubled_frame_is_damage),
        TEST(damage_says_how_to_go_on_and_that_works),
        TEST(no_payload_is_taken_for_a_frame),
        TEST(proof_is_found_wherever_it_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
