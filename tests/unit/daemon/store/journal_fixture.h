// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_DAEMON_STORE_JOURNAL_FIXTURE_H
#define NORMD_TESTS_UNIT_DAEMON_STORE_JOURNAL_FIXTURE_H

#include "daemon/store/journal.h"
#include "daemon/store/journal_state.h"
#include "tests/unit/cmocka_headers.h"
#include "tests/unit/daemon/store/faults.h"

enum { FIXTURE_RECORDS = 4096, FIXTURE_FILES = 64 };

typedef struct fixture_bytes {
    unsigned char *data;
    size_t size;
} fixture_bytes;

/* A file of the directory, in memory. */
typedef struct fixture_file {
    char name[32];
    fixture_bytes bytes;
} fixture_file;

typedef struct fixture_files {
    fixture_file file[FIXTURE_FILES];
    size_t count;
} fixture_files;

/* A directory of its own, and what the last open read there. */
typedef struct journal_fixture {
    char path[256];
    int directory;
    normd_store_sync sync;
    bool read_only;
    uint64_t first;
    normd_journal *journal;
    normd_error error;
    normd_store_report report;
    fixture_bytes record[FIXTURE_RECORDS];
    size_t records;
    unsigned notes;
    char note[512]; /* the last one */
} journal_fixture;

/* cmocka's set-up and tear-down; *state is the fixture (ALWAYS, first segment 1). No fault is set.
 */
int journal_fixture_set_up(void **state);
int journal_fixture_tear_down(void **state);

/* The next open begins a copy's journal with this segment. */
void journal_fixture_begin_at(journal_fixture *fixture, uint64_t first);

/* Opens the journal, without the syncer: tests call the tick. */
normd_status journal_fixture_open(journal_fixture *fixture);
void journal_fixture_close(journal_fixture *fixture);
/* As kill -9: the files are as they were before the journal was closed. */
void journal_fixture_crash(journal_fixture *fixture);
/* Close, and open again, which must work. */
void journal_fixture_reopen(journal_fixture *fixture);

/* Appends one record, or (many) these as a group. */
normd_status journal_fixture_append(journal_fixture *fixture, const char *text);
normd_status journal_fixture_append_many(
    journal_fixture *fixture, const char *const *text, size_t count);

/* Whether the last open read just these, words apart by spaces; prints both when not. */
bool journal_fixture_has(const journal_fixture *fixture, const char *words);

/* All files of the directory in memory, and back: others are deleted. */
void journal_fixture_take(const journal_fixture *fixture, fixture_files *files);
void journal_fixture_put(const journal_fixture *fixture, const fixture_files *files);
void fixture_files_free(fixture_files *files);
/* The last one in the order of names. */
fixture_file *fixture_files_last(fixture_files *files);

#endif
