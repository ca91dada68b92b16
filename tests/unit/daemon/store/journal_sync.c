// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include <time.h>

#include "tests/unit/daemon/store/journal_fixture.h"

/* Frames in the segment behind its header, of one-byte records and markers. */
static size_t segment_size(const journal_fixture *fixture)
{
    fixture_files files;
    journal_fixture_take(fixture, &files);
    size_t size = fixture_files_last(&files)->bytes.size;
    fixture_files_free(&files);
    return size;
}

enum {
    ONE_RECORD = NORMD_SEGMENT_HEADER_BYTES + NORMD_FRAME_HEADER_BYTES + 3,
    WITH_MARKER = ONE_RECORD + NORMD_FRAME_HEADER_BYTES,
};

static void only_always_syncs_with_each_group(void **state)
{
    journal_fixture *fixture = *state;
    for (normd_store_sync sync = NORMD_STORE_SYNC_ALWAYS; sync <= NORMD_STORE_SYNC_NO; sync++) {
        fixture->sync = sync;
        journal_fixture_begin_at(fixture, 1 + 10 * (uint64_t)sync);
        assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
        normd_faults_clear();
        for (int i = 0; i < 10; i++) {
            const char *const group[] = {"one", "two"};
            assert_int_equal(journal_fixture_append_many(fixture, group, 2), NORMD_OK);
        }
        assert_int_equal(normd_fault.writes, 10);
        assert_int_equal(normd_fault.syncs, sync == NORMD_STORE_SYNC_ALWAYS ? 10 : 0);
        normd_journal_tick(fixture->journal);
        assert_int_equal(normd_fault.syncs, sync == NORMD_STORE_SYNC_ALWAYS     ? 10
                                            : sync == NORMD_STORE_SYNC_EVERYSEC ? 1
                                                                                : 0);
        journal_fixture_close(fixture);
        assert_int_equal(normd_fault.syncs > 0, true);
    }
}

static void an_idle_journal_is_marked_once(void **state)
{
    journal_fixture *fixture = *state;
    for (normd_store_sync sync = NORMD_STORE_SYNC_ALWAYS; sync < NORMD_STORE_SYNC_NO; sync++) {
        fixture->sync = sync;
        journal_fixture_begin_at(fixture, 1 + 10 * (uint64_t)sync);
        assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
        for (int i = 0; i < 3; i++) {
            normd_journal_tick(fixture->journal);
        }
        assert_int_equal(segment_size(fixture), NORMD_SEGMENT_HEADER_BYTES);
        assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
        assert_true(normd_journal_has_work(fixture->journal));
        normd_journal_tick(fixture->journal);
        /* It was not idle for a second yet. */
        assert_int_equal(segment_size(fixture), ONE_RECORD);
        for (int i = 0; i < 5; i++) {
            normd_journal_tick(fixture->journal);
        }
        assert_int_equal(segment_size(fixture), WITH_MARKER);
        assert_false(normd_journal_has_work(fixture->journal));
        assert_int_equal(journal_fixture_append(fixture, "two"), NORMD_OK);
        journal_fixture_crash(fixture);
        assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
        assert_true(journal_fixture_has(fixture, "one two"));
        assert_int_equal(fixture->report.cut_bytes, 0);
        journal_fixture_close(fixture);
    }
}

static void a_marker_makes_damage_of_what_would_be_a_tail(void **state)
{
    journal_fixture *fixture = *state;
    for (int marked = 0; marked < 2; marked++) {
        journal_fixture_begin_at(fixture, 1 + 10 * (uint64_t)marked);
        assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
        assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
        for (int i = 0; i < 2 * marked; i++) {
            normd_journal_tick(fixture->journal);
        }
        fixture_files files;
        journal_fixture_take(fixture, &files);
        journal_fixture_close(fixture);
        fixture_files_last(&files)->bytes.data[ONE_RECORD - 1] ^= 1;
        journal_fixture_put(fixture, &files);
        assert_int_equal(
            journal_fixture_open(fixture), marked == 1 ? NORMD_STORE_FAILED : NORMD_OK);
        assert_int_equal(fixture->report.cut_bytes, marked == 1 ? 0 : 43);
        journal_fixture_close(fixture);
        fixture_files_free(&files);
    }
}

static void closing_leaves_a_marker(void **state)
{
    journal_fixture *fixture = *state;
    for (normd_store_sync sync = NORMD_STORE_SYNC_ALWAYS; sync <= NORMD_STORE_SYNC_NO; sync++) {
        fixture->sync = sync;
        journal_fixture_begin_at(fixture, 1 + 10 * (uint64_t)sync);
        assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
        assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
        journal_fixture_close(fixture);
        assert_int_equal(
            segment_size(fixture), sync == NORMD_STORE_SYNC_NO ? ONE_RECORD : WITH_MARKER);
    }
}

static void a_failed_sync_asks_for_a_checkpoint(void **state)
{
    journal_fixture *fixture = *state;
    fixture->sync = NORMD_STORE_SYNC_EVERYSEC;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
    normd_fault.sync = EIO;
    normd_journal_tick(fixture->journal);
    assert_true(normd_journal_wants_checkpoint(fixture->journal));
    assert_int_equal(fixture->notes, 1);
    assert_non_null(
        strstr(fixture->note, "journal/000000000001.log: cannot sync it: Input/output error"));
    /* A sync that succeeds later says nothing about what the one before may have lost. */
    assert_int_equal(journal_fixture_append(fixture, "two"), NORMD_OK);
    for (int i = 0; i < 3; i++) {
        normd_journal_tick(fixture->journal);
    }
    assert_true(normd_journal_wants_checkpoint(fixture->journal));
    assert_int_equal(fixture->journal->synced, 0);
    assert_int_equal(segment_size(fixture), ONE_RECORD + NORMD_FRAME_HEADER_BYTES + 3);
    assert_int_equal(fixture->notes, 1);
    uint64_t segment;
    assert_int_equal(normd_journal_seal(fixture->journal, &segment, &fixture->error), NORMD_OK);
    assert_false(normd_journal_wants_checkpoint(fixture->journal));
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "one two"));
}

static void a_marker_that_cannot_be_written_costs_nothing(void **state)
{
    journal_fixture *fixture = *state;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
    normd_fault.write = ENOSPC;
    normd_fault.write_room = 11;
    for (int i = 0; i < 3; i++) {
        normd_journal_tick(fixture->journal);
    }
    assert_int_equal(segment_size(fixture), ONE_RECORD);
    assert_int_equal(journal_fixture_append(fixture, "two"), NORMD_OK);
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "one two"));
}

/* A power cut may leave any of what was not synced, also of a segment that another follows. */
static void a_sealed_segment_ends_before_an_unsynced_marker(void **state)
{
    journal_fixture *fixture = *state;
    for (normd_store_sync sync = NORMD_STORE_SYNC_ALWAYS; sync < NORMD_STORE_SYNC_NO; sync++) {
        fixture->sync = sync;
        journal_fixture_begin_at(fixture, 1 + 10 * (uint64_t)sync);
        assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
        assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
        normd_journal_tick(fixture->journal);
        normd_journal_tick(fixture->journal);
        assert_int_equal(segment_size(fixture), WITH_MARKER);
        uint64_t segment;
        assert_int_equal(normd_journal_seal(fixture->journal, &segment, &fixture->error), NORMD_OK);
        assert_int_equal(
            normd_journal_bytes(fixture->journal), ONE_RECORD + NORMD_SEGMENT_HEADER_BYTES);
        fixture_files files;
        journal_fixture_take(fixture, &files);
        journal_fixture_close(fixture);
        files.file[files.count - 2].bytes.size = ONE_RECORD;
        journal_fixture_put(fixture, &files);
        assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
        assert_true(journal_fixture_has(fixture, "one"));
        journal_fixture_close(fixture);
        fixture_files_free(&files);
    }
}

/* The thread itself: waits for what it does, however long that takes. */
static void the_syncer_syncs_and_marks_by_itself(void **state)
{
    journal_fixture *fixture = *state;
    fixture->sync = NORMD_STORE_SYNC_EVERYSEC;
    assert_int_equal(journal_fixture_open(fixture), NORMD_OK);
    normd_faults_clear();
    assert_int_equal(normd_journal_start_syncer(fixture->journal, &fixture->error), NORMD_OK);
    assert_int_equal(journal_fixture_append(fixture, "one"), NORMD_OK);
    while (normd_journal_bytes(fixture->journal) != WITH_MARKER || normd_fault.syncs < 2) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(journal_fixture_append(fixture, "two"), NORMD_OK);
    while (normd_fault.syncs < 3) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    journal_fixture_reopen(fixture);
    assert_true(journal_fixture_has(fixture, "one two"));
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, journal_fixture_set_up, journal_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_always_syncs_with_each_group),
        TEST(an_idle_journal_is_marked_once),
        TEST(a_marker_makes_damage_of_what_would_be_a_tail),
        TEST(closing_leaves_a_marker),
        TEST(a_failed_sync_asks_for_a_checkpoint),
        TEST(a_marker_that_cannot_be_written_costs_nothing),
        TEST(a_sealed_segment_ends_before_an_unsynced_marker),
        TEST(the_syncer_syncs_and_marks_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
