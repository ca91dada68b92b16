// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/daemon/store/journal_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void keep_note(void *context, const char *text)
{
    journal_fixture *fixture = context;
    fixture->notes++;
    snprintf(fixture->note, sizeof fixture->note, "%s", text);
}

static normd_status keep_record(void *context, normd_store_bytes record, normd_error *error)
{
    journal_fixture *fixture = context;
    (void)error;
    assert_true(fixture->records < FIXTURE_RECORDS);
    fixture_bytes *kept = &fixture->record[fixture->records++];
    kept->data = malloc(record.size);
    kept->size = record.size;
    assert_non_null(kept->data);
    memcpy(kept->data, record.data, record.size);
    return NORMD_OK;
}

static void forget_records(journal_fixture *fixture)
{
    for (size_t i = 0; i < fixture->records; i++) {
        free(fixture->record[i].data);
    }
    fixture->records = 0;
}

int journal_fixture_set_up(void **state)
{
    journal_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    const char *folder = getenv("TMPDIR");
    snprintf(fixture->path, sizeof fixture->path, "%s/normd-journal-XXXXXX",
        folder == NULL ? P_tmpdir : folder);
    assert_non_null(mkdtemp(fixture->path));
    fixture->directory = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fixture->directory >= 0);
    fixture->sync = NORMD_STORE_SYNC_ALWAYS;
    fixture->first = 1;
    normd_faults_clear();
    *state = fixture;
    return 0;
}

void journal_fixture_begin_at(journal_fixture *fixture, uint64_t first)
{
    fixture->first = first;
    int mark =
        openat(fixture->directory, NORMD_JOURNAL_OF_COPY, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(mark >= 0);
    close(mark);
}

int journal_fixture_tear_down(void **state)
{
    journal_fixture *fixture = *state;
    normd_faults_clear();
    journal_fixture_close(fixture);
    forget_records(fixture);
    fixture_files none = {.count = 0};
    journal_fixture_put(fixture, &none);
    close(fixture->directory);
    rmdir(fixture->path);
    free(fixture);
    return 0;
}

normd_status journal_fixture_open(journal_fixture *fixture)
{
    forget_records(fixture);
    fixture->report = (normd_store_report){.records = 0};
    normd_journal_options options = {.directory = fixture->directory,
        .sync = fixture->sync,
        .read_only = fixture->read_only,
        .note = keep_note,
        .context = fixture};
    normd_status status = normd_journal_open(&options, fixture->first, keep_record, fixture,
        &fixture->report, &fixture->journal, &fixture->error);
    if (status == NORMD_OK) {
        normd_journal_stop_syncer(fixture->journal);
        fixture->journal->stop = false;
    }
    return status;
}

void journal_fixture_close(journal_fixture *fixture)
{
    normd_journal_close(fixture->journal);
    fixture->journal = NULL;
}

void journal_fixture_crash(journal_fixture *fixture)
{
    fixture_files files;
    journal_fixture_take(fixture, &files);
    journal_fixture_close(fixture);
    journal_fixture_put(fixture, &files);
    fixture_files_free(&files);
}

void journal_fixture_reopen(journal_fixture *fixture)
{
    journal_fixture_close(fixture);
    if (journal_fixture_open(fixture) != NORMD_OK) {
        fail_msg("%s", fixture->error.message);
    }
}

normd_status journal_fixture_append_many(
    journal_fixture *fixture, const char *const *text, size_t count)
{
    normd_store_bytes *piece = calloc(count, sizeof *piece);
    normd_store_record *record = calloc(count, sizeof *record);
    assert_true(piece != NULL && record != NULL);
    for (size_t i = 0; i < count; i++) {
        piece[i] = (normd_store_bytes){.data = text[i], .size = strlen(text[i])};
        record[i] = (normd_store_record){.piece = &piece[i], .pieces = 1};
    }
    normd_status status = normd_journal_append(fixture->journal, record, count, &fixture->error);
    free(piece);
    free(record);
    return status;
}

normd_status journal_fixture_append(journal_fixture *fixture, const char *text)
{
    return journal_fixture_append_many(fixture, &text, 1);
}

bool journal_fixture_has(const journal_fixture *fixture, const char *words)
{
    char got[4096];
    size_t used = 0;
    got[0] = '\0';
    for (size_t i = 0; i < fixture->records; i++) {
        used += (size_t)snprintf(got + used, sizeof got - used, "%s%.*s", i > 0 ? " " : "",
            (int)fixture->record[i].size, (const char *)fixture->record[i].data);
        assert_true(used < sizeof got);
    }
    if (strcmp(got, words) != 0) {
        print_error("expected \"%s\", got \"%s\"\n", words, got);
    }
    return strcmp(got, words) == 0;
}

/* ---- Files ---- */

static fixture_bytes read_file(int directory, const char *name)
{
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    assert_true(file >= 0 && fstat(file, &facts) == 0);
    fixture_bytes bytes = {.size = (size_t)facts.st_size};
    bytes.data = malloc(bytes.size + 1);
    assert_non_null(bytes.data);
    assert_int_equal(read(file, bytes.data, bytes.size), bytes.size);
    close(file);
    return bytes;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const fixture_file *)a)->name, ((const fixture_file *)b)->name);
}

void journal_fixture_take(const journal_fixture *fixture, fixture_files *files)
{
    files->count = 0;
    DIR *folder = opendir(fixture->path);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        assert_true(files->count < FIXTURE_FILES);
        fixture_file *file = &files->file[files->count++];
        snprintf(file->name, sizeof file->name, "%.31s", entry->d_name);
        file->bytes = read_file(fixture->directory, file->name);
    }
    closedir(folder);
    qsort(files->file, files->count, sizeof *files->file, by_name);
}

static void delete_all(const journal_fixture *fixture)
{
    DIR *folder = opendir(fixture->path);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.' && unlinkat(fixture->directory, entry->d_name, 0) != 0) {
            assert_int_equal(unlinkat(fixture->directory, entry->d_name, AT_REMOVEDIR), 0);
        }
    }
    closedir(folder);
}

void journal_fixture_put(const journal_fixture *fixture, const fixture_files *files)
{
    delete_all(fixture);
    for (size_t i = 0; i < files->count; i++) {
        const fixture_file *from = &files->file[i];
        int file = openat(fixture->directory, from->name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(file >= 0);
        assert_int_equal(write(file, from->bytes.data, from->bytes.size), from->bytes.size);
        close(file);
    }
}

void fixture_files_free(fixture_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->file[i].bytes.data);
    }
    files->count = 0;
}

fixture_file *fixture_files_last(fixture_files *files)
{
    assert_true(files->count > 0);
    return &files->file[files->count - 1];
}
