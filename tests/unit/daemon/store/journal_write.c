// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/daemon/store/journal_fixture.h"

static void open_with_one(journal_fixture *fixture)
{
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
}

static void a_record_of_many_pieces_is_one(void **state)
{
    journal_fixture *fixture = *state;
    /* More than one writev takes, of one byte or of none. */
    enum { PIECES = 5000 };
    static unsigned char bytes[PIECES];
    static normd_store_bytes piece[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        bytes[i] = (unsigned char)(i * 31 + i / 256);
        piece[i] = (normd_store_bytes){.data = &bytes[i], .size = i % 3 != 0};
    }
    normd_store_record record = {.piece = piece, .pieces = PIECES};
    open_with_one(fixture);
    assert_int_equal(normd_journal_append(fixture->journal, &record, 1, &fixture->error), NORMD_OK);
    journal_fixture_reopen(fixture);
    assert_int_equal(fixture->records, 2);
    size_t at = 0;
    for (size_t i = 0; i < PIECES; i++) {
        if (i % 3 != 0) {
            assert_int_equal(fixture->record[1].data[at++], bytes[i]);
        }
    }
    assert_int_equal(fixture->record[1].size, at);
}

static void large_records_and_groups_are_whole(void **state)
{
    journal_fixture *fixture = *state;
    enum { GROUP = 1500 };
    static normd_store_bytes piece[GROUP];
    static normd_store_record record[GROUP];
    size_t size = (size_t)5 << 20;
    unsigned char *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (unsigned char)(i >> 8 ^ i);
    }
    for (size_t i = 0; i < GROUP; i++) {
        piece[i] = (normd_store_bytes){.data = bytes + i, .size = i == 700 ? size - i : i + 1};
        record[i] = (normd_store_record){.piece = &piece[i], .pieces = 1};
    }
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(
        normd_journal_append(fixture->journal, record, GROUP, &fixture->error), NORMD_OK);
    journal_fixture_reopen(fixture);
    assert_int_equal(fixture->records, GROUP);
    for (size_t i = 0; i < GROUP; i++) {
        assert_int_equal(fixture->record[i].size, piece[i].size);
        assert_memory_equal(fixture->record[i].data, piece[i].data, piece[i].size);
    }
    free(bytes);
}

static void an_empty_group_is_nothing(void **state)
{
    journal_fixture *fixture = *state;
    open_with_one(fixture);
    assert_int_equal(normd_journal_append(fixture->journal, NULL, 0, &fixture->error), NORMD_OK);
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "one"));
}

static void signals_and_short_writes_do_no_harm(void **state)
{
    journal_fixture *fixture = *state;
    open_with_one(fixture);
    const char *const group[] = {"two", "three", "four"};
    normd_fault.interrupt = true;
    assert_int_equal(journal_fixture_append_many(fixture, group, 3), NORMD_OK);
    normd_faults_clear();
    for (size_t piece = 1; piece < 60; piece++) {
        normd_fault.write_piece = piece;
        assert_int_equal(journal_fixture_append(fixture, "x"), NORMD_OK);
    }
    normd_faults_clear();
    journal_fixture_reopen(fixture);
    assert_int_equal(fixture->records, 4 + 59);
    assert_int_equal(fixture->report.cut_bytes, 0);
}

/* The disk becomes full behind each byte of a group in turn. */
static void a_write_that_fails_leaves_no_trace(void **state)
{
    journal_fixture *fixture = *state;
    const char *const group[] = {"two", "three"};
    size_t size = 2 * NORMD_FRAME_HEADER_BYTES + 8;
    for (size_t room = 0; room < size; room += 3) {
        open_with_one(fixture);
        uint64_t bytes = normd_journal_bytes(fixture->journal);
        normd_fault.write = ENOSPC;
        normd_fault.write_room = room;
        assert_int_equal(journal_fixture_append_many(fixture, group, 2), NORMD_STORE_FAILED);
        assert_string_equal(fixture->error.message,
            "journal/000000000001.log: cannot append to it: No space left on device");
        assert_int_equal(normd_journal_bytes(fixture->journal), bytes);
        if (room % 2 == 0) {
            assert_int_equal(journal_fixture_append(fixture, "four"), NORMD_OK);
        }
        journal_fixture_crash(fixture);
        assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
        assert_true(journal_fixture_has(fixture, room % 2 == 0 ? "one four" : "one"));
        assert_int_equal(fixture->report.cut_bytes, 0);
        journal_fixture_close(fixture);
        fixture_files none = {.count = 0};
        journal_fixture_put(fixture, &none);
    }
}

static void what_cannot_be_taken_back_does_not_count(void **state)
{
    journal_fixture *fixture = *state;
    open_with_one(fixture);
    const char *const group[] = {"two", "three"};
    normd_fault.truncate = EIO;
    normd_fault.write = EIO;
    /* The first of the two is whole. */
    normd_fault.write_room = NORMD_FRAME_HEADER_BYTES + 5;
    assert_int_equal(journal_fixture_append_many(fixture, group, 2), NORMD_STORE_FAILED);
    assert_int_equal(journal_fixture_append(fixture, "four"), NORMD_OK);
    normd_faults_clear();
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "one four"));
}

static void a_group_that_is_not_synced_does_not_count(void **state)
{
    journal_fixture *fixture = *state;
    open_with_one(fixture);
    uint64_t bytes = normd_journal_bytes(fixture->journal);
    normd_fault.sync = EIO;
    assert_int_equal(journal_fixture_append(fixture, "two"), NORMD_STORE_FAILED);
    assert_string_equal(
        fixture->error.message, "journal/000000000001.log: cannot sync it: Input/output error");
    assert_int_equal(normd_journal_bytes(fixture->journal), bytes);
    fixture_files files;
    journal_fixture_take(fixture, &files);
    assert_int_equal(files.file[0].bytes.size, bytes);
    fixture_files_free(&files);
    assert_int_equal(journal_fixture_append(fixture, "three"), NORMD_OK);
    journal_fixture_take(fixture, &files);
    assert_int_equal(files.count, 2);
    fixture_files_free(&files);
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "one three"));
}

/* What is in the way of a new segment: a folder of its name. */
static void nothing_is_appended_while_no_segment_can_be_made(void **state)
{
    journal_fixture *fixture = *state;
    open_with_one(fixture);
    assert_int_equal(mkdirat(fixture->directory, "000000000002.log", 0700), 0);
    uint64_t segment;
    assert_int_equal(
        normd_journal_seal(fixture->journal, &segment, &fixture->error), NORMD_STORE_FAILED);
    assert_string_equal(
        fixture->error.message, "journal/000000000002.log: cannot make it: Is a directory");
    assert_int_equal(journal_fixture_append(fixture, "two"), NORMD_OK);
    normd_fault.write = ENOSPC;
    assert_int_equal(journal_fixture_append(fixture, "three"), NORMD_STORE_FAILED);
    assert_int_equal(journal_fixture_append(fixture, "four"), NORMD_STORE_FAILED);
    assert_non_null(strstr(fixture->error.message, "Is a directory"));
    assert_int_equal(unlinkat(fixture->directory, "000000000002.log", AT_REMOVEDIR), 0);
    assert_int_equal(journal_fixture_append(fixture, "five"), NORMD_OK);
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "one two five"));
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The kernel's own short writes and errors. */
static void a_limit_of_the_system_is_survived(void **state)
{
    journal_fixture *fixture = *state;
    static unsigned char bytes[3000];
    memset(bytes, 'x', sizeof bytes);
    normd_store_bytes piece = {.data = bytes, .size = sizeof bytes};
    normd_store_record record = {.piece = &piece, .pieces = 1};
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    open_with_one(fixture);
    limit_files(1000);
    assert_int_equal(
        normd_journal_append(fixture->journal, &record, 1, &fixture->error), NORMD_STORE_FAILED);
    assert_non_null(strstr(fixture->error.message, "File too large"));
    assert_int_equal(journal_fixture_append(fixture, "two"), NORMD_OK);
    limit_files(20);
    /* Not even a segment's header fits. */
    assert_int_equal(
        normd_journal_append(fixture->journal, &record, 1, &fixture->error), NORMD_STORE_FAILED);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(journal_fixture_append(fixture, "three"), NORMD_STORE_FAILED);
    }
    limit_files(RLIM_INFINITY);
    assert_int_equal(journal_fixture_append(fixture, "four"), NORMD_OK);
    signal(SIGXFSZ, before);
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "one two four"));
}

static void a_crash_while_no_segment_can_be_made_is_survived(void **state)
{
    journal_fixture *fixture = *state;
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    open_with_one(fixture);
    limit_files(20);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(journal_fixture_append(fixture, "two"), NORMD_STORE_FAILED);
    }
    limit_files(RLIM_INFINITY);
    signal(SIGXFSZ, before);
    journal_fixture_crash(fixture);
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_true(journal_fixture_has(fixture, "one"));
    assert_int_equal(journal_fixture_append(fixture, "three"), NORMD_OK);
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "one three"));
}

static void sealing_names_where_records_go_and_syncs(void **state)
{
    journal_fixture *fixture = *state;
    fixture->sync = NORMD_STORE_SYNC_NO;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    uint64_t segment;
    assert_int_equal(normd_journal_seal(fixture->journal, &segment, &fixture->error), NORMD_OK);
    assert_int_equal(segment, 1);
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
    assert_int_equal(normd_fault.syncs, 0);
    normd_fault.sync = EIO;
    assert_int_equal(
        normd_journal_seal(fixture->journal, &segment, &fixture->error), NORMD_STORE_FAILED);
    assert_true(normd_journal_wants_checkpoint(fixture->journal));
    assert_int_equal(normd_journal_seal(fixture->journal, &segment, &fixture->error), NORMD_OK);
    assert_int_equal(segment, 2);
    assert_int_equal(normd_fault.syncs, 2);
    assert_false(normd_journal_wants_checkpoint(fixture->journal));
}

typedef struct remover {
    normd_journal *journal;
    _Atomic uint64_t first;
    atomic_bool stop;
} remover;

static void *remove_on(void *context)
{
    remover *self = context;
    while (!self->stop) {
        normd_journal_remove(self->journal, self->first);
    }
    return NULL;
}

static void segments_are_removed_beside_appends(void **state)
{
    journal_fixture *fixture = *state;
    fixture->sync = NORMD_STORE_SYNC_EVERYSEC;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(normd_journal_start_syncer(fixture->journal, &fixture->error), NORMD_OK);
    remover self = {.journal = fixture->journal};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, remove_on, &self), 0);
    for (int i = 0; i < 50; i++) {
        for (int k = 0; k < 5; k++) {
            assert_int_equal(journal_fixture_append(fixture, "more"), NORMD_OK);
        }
        uint64_t segment;
        assert_int_equal(normd_journal_seal(fixture->journal, &segment, &fixture->error), NORMD_OK);
        self.first = segment;
        normd_journal_tick(fixture->journal);
    }
    self.stop = true;
    pthread_join(thread, NULL);
    normd_journal_remove(fixture->journal, self.first);
    assert_int_equal(normd_journal_bytes(fixture->journal), NORMD_SEGMENT_HEADER_BYTES);
    assert_int_equal(journal_fixture_append(fixture, "last"), NORMD_OK);
    fixture->first = self.first;
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "last"));
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, journal_fixture_set_up, journal_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_record_of_many_pieces_is_one),
        TEST(large_records_and_groups_are_whole),
        TEST(an_empty_group_is_nothing),
        TEST(signals_and_short_writes_do_no_harm),
        TEST(a_write_that_fails_leaves_no_trace),
        TEST(what_cannot_be_taken_back_does_not_count),
        TEST(a_group_that_is_not_synced_does_not_count),
        TEST(nothing_is_appended_while_no_segment_can_be_made),
        TEST(a_limit_of_the_system_is_survived),
        TEST(a_crash_while_no_segment_can_be_made_is_survived),
        TEST(sealing_names_where_records_go_and_syncs),
        TEST(segments_are_removed_beside_appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
