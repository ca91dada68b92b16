// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/store.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/store/files.h"
#include "tests/unit/daemon/store/store_fixture.h"

static normd_status try_open(
    const place *at, const char *name, bool read_only, normd_store **store, normd_error *error)
{
    char path[PLACE_BYTES];
    normd_store_options options = {
        .directory = path_in(at, name, path), .sync = NORMD_STORE_SYNC_NO, .read_only = read_only};
    return normd_store_open(&options, store, error);
}

static normd_store *open_store(const place *at, const char *name, bool read_only)
{
    normd_error error = {0};
    normd_store *store = NULL;
    assert_ok(try_open(at, name, read_only, &store, &error), error);
    return store;
}

static sums read_store(normd_store *store)
{
    normd_error error = {0};
    sums read = {0};
    normd_store_reader reader = summing(&read);
    normd_store_report report;
    assert_ok(normd_store_read(store, &reader, &report, &error), error);
    assert_int_equal(report.rows, read.rows);
    assert_int_equal(report.records, read.records);
    return read;
}

static normd_store *open_and_read(const place *at, const char *name)
{
    normd_store *store = open_store(at, name, false);
    read_store(store);
    return store;
}

static void append(normd_store *store, const char *text)
{
    normd_error error = {0};
    normd_store_bytes piece = text_bytes(text);
    normd_store_record record = {&piece, 1};
    assert_ok(normd_store_append(store, &record, 1, &error), error);
}

static void checkpoint(normd_store *store, const char *key, const char *value)
{
    normd_error error = {0};
    uint64_t segment;
    normd_store_batch *batch;
    normd_store_bytes piece = text_bytes(value);
    assert_ok(normd_store_seal(store, &segment, &error), error);
    assert_ok(normd_store_begin(store, &batch, &error), error);
    assert_ok(normd_store_put(batch, NORMD_STORE_STATE, text_bytes(key), &piece, 1, &error), error);
    assert_ok(normd_store_commit(batch, segment, &error), error);
}

static void rows_and_records_come_back(void **state)
{
    place *at = *state;
    normd_store *store = open_and_read(at, "s");
    append(store, "before");
    checkpoint(store, "key", "value");
    append(store, "one");
    append(store, "two");
    normd_store_close(store);
    store = open_store(at, "s", false);
    sums first = read_store(store);
    assert_int_equal(first.rows, 1);
    assert_int_equal(first.records, 2);
    normd_store_close(store);
    store = open_store(at, "s", false);
    sums second = read_store(store);
    assert_memory_equal(&first, &second, sizeof first);
    normd_store_close(store);
}

static void the_epoch_counts_openings_for_writing(void **state)
{
    place *at = *state;
    for (uint64_t epoch = 1; epoch < 4; epoch++) {
        normd_store *store = open_store(at, "s", false);
        assert_int_equal(normd_store_epoch(store), epoch);
        normd_store_close(store);
        store = open_store(at, "s", true);
        assert_int_equal(normd_store_epoch(store), epoch);
        normd_store_close(store);
    }
}

static void nothing_is_written_before_the_store_was_read(void **state)
{
    place *at = *state;
    normd_error error = {0};
    normd_store_bytes piece = text_bytes("record");
    normd_store_record record = {&piece, 1};
    normd_store_batch *batch;
    normd_store *store = open_store(at, "s", false);
    assert_int_equal(normd_store_append(store, &record, 1, &error), NORMD_INTERNAL);
    assert_int_equal(normd_store_begin(store, &batch, &error), NORMD_INTERNAL);
    read_store(store);
    append(store, "record");
    normd_store_close(store);
    store = open_store(at, "s", true);
    read_store(store);
    assert_int_equal(normd_store_append(store, &record, 1, &error), NORMD_INTERNAL);
    normd_store_close(store);
}

static void an_aborted_batch_leaves_rows_and_records(void **state)
{
    place *at = *state;
    normd_error error = {0};
    uint64_t segment;
    normd_store_batch *batch;
    normd_store *store = open_and_read(at, "s");
    append(store, "one");
    assert_ok(normd_store_seal(store, &segment, &error), error);
    assert_ok(normd_store_begin(store, &batch, &error), error);
    assert_ok(normd_store_delete(batch, NORMD_STORE_STATE, text_bytes(""), &error), error);
    normd_store_abort(batch);
    append(store, "two");
    assert_true(normd_store_journal_bytes(store) > 0);
    normd_store_close(store);
    store = open_store(at, "s", false);
    assert_int_equal(read_store(store).records, 2);
    normd_store_close(store);
}

/* ---- The same bytes ---- */

static bool add_file(void *context, int folder, const char *name)
{
    uint64_t *digest = context;
    struct stat about;
    assert_int_equal(fstatat(folder, name, &about, 0), 0);
    uint64_t own = (uint64_t)about.st_mtim.tv_nsec ^ (uint64_t)about.st_mtim.tv_sec << 20 ^
                   (uint64_t)about.st_size << 3;
    for (const char *c = name; *c != '\0'; c++) {
        own = (own ^ (uint64_t)*c) * UINT64_C(0x100000001b3);
    }
    if (S_ISDIR(about.st_mode)) {
        assert_int_equal(normd_files_each(folder, name, add_file, context), 0);
    } else {
        int file = openat(folder, name, O_RDONLY);
        unsigned char byte[4096];
        for (ssize_t got = read(file, byte, sizeof byte); got > 0;
             got = read(file, byte, sizeof byte)) {
            for (ssize_t i = 0; i < got; i++) {
                own = (own ^ byte[i]) * UINT64_C(0x100000001b3);
            }
        }
        close(file);
    }
    *digest += own; /* names come in any order */
    return true;
}

static void a_check_leaves_every_byte_and_time_as_it_was(void **state)
{
    place *at = *state;
    normd_store *store = open_and_read(at, "s");
    checkpoint(store, "key", "value");
    append(store, "record");
    normd_store_close(store);
    uint64_t before = 0, after = 0;
    assert_int_equal(normd_files_each(AT_FDCWD, at->folder, add_file, &before), 0);
    store = open_store(at, "s", true);
    sums read = read_store(store);
    assert_int_equal(read.rows, 1);
    assert_int_equal(read.records, 1);
    normd_store_close(store);
    assert_int_equal(normd_files_each(AT_FDCWD, at->folder, add_file, &after), 0);
    assert_true(before == after);
}

static void a_store_that_is_open_is_not_checked_and_one_that_is_checked_not_opened(void **state)
{
    place *at = *state;
    normd_error error = {0};
    normd_store *other = NULL, *third = NULL;
    char part[64];
    snprintf(part, sizeof part, "in use by another normd (process %ld)", (long)getpid());
    normd_store *store = open_and_read(at, "s");
    assert_store_failed(try_open(at, "s", true, &other, &error), &error, part);
    assert_store_failed(error.status, &error, "check a copy made by save");
    assert_store_failed(try_open(at, "s", false, &other, &error), &error, part);
    normd_store_close(store);
    store = open_store(at, "s", true);
    third = open_store(at, "s", true);
    assert_store_failed(try_open(at, "s", false, &other, &error), &error, "in use by a check");
    normd_store_close(third);
    normd_store_close(store);
}

/* ---- Copies ---- */

static void save(normd_store *store, const char *name, char path[static PLACE_BYTES])
{
    normd_error error = {0};
    uint64_t bytes = 0;
    assert_ok(normd_store_save(store, name, path, PLACE_BYTES, &bytes, &error), error);
    assert_true(bytes > 0);
}

static void a_copy_is_a_store_of_its_own(void **state)
{
    place *at = *state;
    char path[PLACE_BYTES];
    normd_store *store = open_and_read(at, "s");
    for (int i = 0; i < 5; i++) {
        append(store, "before");
        checkpoint(store, "key", "value");
    }
    append(store, "after the checkpoint");
    save(store, "monday-1", path);
    normd_store_close(store);
    store = open_store(at, "s/saves/monday-1", true);
    assert_int_equal(normd_store_epoch(store), 1);
    sums copied = read_store(store);
    normd_store_close(store);
    assert_int_equal(copied.rows, 1);
    assert_int_equal(copied.records, 0);
    store = open_and_read(at, "s/saves/monday-1");
    assert_int_equal(normd_store_epoch(store), 2);
    append(store, "one");
    normd_store_close(store);
    store = open_store(at, "s/saves/monday-1", false);
    assert_int_equal(read_store(store).records, 1);
    checkpoint(store, "key", "other");
    normd_store_close(store);
    store = open_store(at, "s/saves/monday-1", false);
    assert_int_equal(read_store(store).records, 0);
    normd_store_close(store);
}

static void a_bad_name_and_one_that_is_there_are_refused(void **state)
{
    place *at = *state;
    static const char *const NAMES[] = {"", ".", "..", ".x", "a/b", "a b", "\xc3\xa4",
        "0123456789012345678901234567890123456789012345678901234567890123x"};
    normd_error error = {0};
    char path[PLACE_BYTES];
    uint64_t bytes;
    normd_store *store = open_and_read(at, "s");
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        assert_int_equal(normd_store_save(store, NAMES[i], path, sizeof path, &bytes, &error),
            NORMD_BAD_ARGUMENT);
    }
    save(store, "A.z_9-", path);
    assert_int_equal(
        normd_store_save(store, "A.z_9-", path, sizeof path, &bytes, &error), NORMD_BAD_ARGUMENT);
    assert_store_failed(
        normd_store_save(store, "b", path, 10, &bytes, &error), &error, "more than 10 bytes");
    normd_store_close(store);
}

typedef struct writer {
    normd_store *store;
    atomic_bool stop;
    unsigned checkpoints;
} writer;

static void *write_on(void *context)
{
    writer *own = context;
    while (!atomic_load(&own->stop) || own->checkpoints < 3) {
        char key[32];
        snprintf(key, sizeof key, "%u", own->checkpoints++ % 50);
        append(own->store, "beside the copy");
        checkpoint(own->store, key, "value");
        checkpoint(own->store, "same", key);
    }
    return NULL;
}

static void copies_are_whole_while_appends_and_checkpoints_go_on(void **state)
{
    place *at = *state;
    char path[PLACE_BYTES];
    writer other = {.store = open_and_read(at, "s")};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_on, &other), 0);
    for (char name[] = "a"; name[0] < 'k'; name[0]++) {
        save(other.store, name, path);
    }
    atomic_store(&other.stop, true);
    pthread_join(thread, NULL);
    normd_store_close(other.store);
    for (char name[] = "s/saves/a"; name[8] < 'k'; name[8]++) {
        normd_store *copy = open_store(at, name, true);
        read_store(copy);
        normd_store_close(copy);
    }
}

/* ---- A full disk ---- */

enum { DISK_MIB = 4, LARGE_BYTES = 256 * 1024 };

static int remove_disk_and_place(void **state)
{
    char path[PLACE_BYTES];
    umount2(path_in(*state, "disk", path), MNT_DETACH);
    return remove_place(state);
}

/* A disk of its own; false when only root may mount one and we are not. */
static bool mount_disk(const place *at)
{
    char path[PLACE_BYTES], size[32];
    snprintf(size, sizeof size, "size=%dm", DISK_MIB);
    assert_int_equal(mkdir(path_in(at, "disk", path), 0700), 0);
    return mount("tmpfs", path, "tmpfs", 0, size) == 0;
}

static void fill_disk(const place *at)
{
    char path[PLACE_BYTES];
    static const char ZEROS[4096];
    int file = open(path_in(at, "disk/filler", path), O_WRONLY | O_CREAT, 0600);
    assert_true(file >= 0);
    while (write(file, ZEROS, sizeof ZEROS) > 0) {
    }
    close(file);
}

static void empty_disk(const place *at)
{
    char path[PLACE_BYTES];
    assert_int_equal(unlink(path_in(at, "disk/filler", path)), 0);
}

static normd_status append_large(normd_store *store, normd_error *error)
{
    unsigned char *value = made_value(1, LARGE_BYTES);
    normd_store_bytes piece = {value, LARGE_BYTES};
    normd_store_record record = {&piece, 1};
    normd_status status = normd_store_append(store, &record, 1, error);
    free(value);
    return status;
}

static normd_status checkpoint_large(normd_store *store, uint64_t segment, normd_error *error)
{
    unsigned char *value = made_value(2, LARGE_BYTES);
    normd_store_bytes piece = {value, LARGE_BYTES};
    normd_store_batch *batch;
    normd_status status = normd_store_begin(store, &batch, error);
    if (status == NORMD_OK) {
        status = normd_store_put(batch, NORMD_STORE_STATE, text_bytes("large"), &piece, 1, error);
        if (status == NORMD_OK) {
            status = normd_store_commit(batch, segment, error);
        } else {
            normd_store_abort(batch);
        }
    }
    free(value);
    return status;
}

static void a_full_disk_refuses_each_step_and_all_goes_on_when_there_is_room(void **state)
{
    place *at = *state;
    normd_error error = {0};
    char path[PLACE_BYTES];
    uint64_t segment, bytes;
    if (!mount_disk(at)) {
        skip();
    }
    normd_store *store = open_and_read(at, "disk/s");
    checkpoint(store, "key", "value");
    append(store, "one");
    assert_ok(normd_store_seal(store, &segment, &error), error);
    fill_disk(at);
    for (int i = 0; i < 3; i++) {
        assert_store_failed(append_large(store, &error), &error, "No space left");
        assert_store_failed(checkpoint_large(store, segment, &error), &error, "data.mdb: writing");
        assert_store_failed(normd_store_save(store, "a", path, sizeof path, &bytes, &error), &error,
            "No space left");
    }
    empty_disk(at);
    assert_ok(append_large(store, &error), error);
    save(store, "a", path);
    assert_ok(checkpoint_large(store, segment, &error), error);
    normd_store_close(store);
    fill_disk(at);
    normd_store *none = NULL;
    normd_status status = try_open(at, "disk/s", false, &none, &error);
    if (status == NORMD_OK) {
        normd_store_close(none);
    }
    empty_disk(at);
    store = open_store(at, "disk/s", false);
    sums read = read_store(store);
    assert_int_equal(read.rows, 2);
    assert_int_equal(read.records, 1);
    normd_store_close(store);
}

/* ---- A killed process ---- */

static void a_killed_process_leaves_a_store_that_opens(void **state)
{
    place *at = *state;
    uint64_t epoch = 0;
    for (int i = 0; i < 6; i++) {
        int ends[2];
        char byte;
        assert_int_equal(pipe(ends), 0);
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            normd_store *store = open_and_read(at, "s");
            append(store, "answered");
            checkpoint(store, "key", "value");
            append(store, "answered");
            ssize_t told = write(ends[1], "", 1);
            pause();
            _exit((int)told);
        }
        assert_int_equal(read(ends[0], &byte, 1), 1);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(ends[0]);
        close(ends[1]);
        normd_store *store = open_store(at, "s", false);
        assert_true(normd_store_epoch(store) > epoch);
        epoch = normd_store_epoch(store);
        sums read = read_store(store);
        assert_int_equal(read.rows, 1);
        assert_int_equal(read.records, 1);
        normd_store_close(store);
    }
}

#define test(f) cmocka_unit_test_setup_teardown(f, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(rows_and_records_come_back),
        test(the_epoch_counts_openings_for_writing),
        test(nothing_is_written_before_the_store_was_read),
        test(an_aborted_batch_leaves_rows_and_records),
        test(a_check_leaves_every_byte_and_time_as_it_was),
        test(a_store_that_is_open_is_not_checked_and_one_that_is_checked_not_opened),
        test(a_copy_is_a_store_of_its_own),
        test(a_bad_name_and_one_that_is_there_are_refused),
        test(copies_are_whole_while_appends_and_checkpoints_go_on),
        cmocka_unit_test_setup_teardown(
            a_full_disk_refuses_each_step_and_all_goes_on_when_there_is_room, make_place,
            remove_disk_and_place),
        test(a_killed_process_leaves_a_store_that_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
