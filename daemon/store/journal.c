// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/store/journal_state.h"

void normd_journal_note(const normd_journal_options *options, const char *format, ...)
{
    if (options->note == NULL) {
        return;
    }
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    options->note(options->context, text);
}

normd_status normd_journal_segments_add(
    normd_journal_segments *segments, uint64_t number, uint64_t end, normd_error *error)
{
    if (segments->count == segments->room) {
        size_t room = segments->room == 0 ? 16 : 2 * segments->room;
        normd_journal_segment *grown = realloc(segments->item, room * sizeof *grown);
        if (grown == NULL) {
            return normd_error_no_memory(error);
        }
        segments->item = grown;
        segments->room = room;
    }
    segments->item[segments->count++] = (normd_journal_segment){.number = number, .end = end};
    return NORMD_OK;
}

normd_journal_segment *normd_journal_current(normd_journal *journal)
{
    return &journal->segments.item[journal->segments.count - 1];
}

static normd_journal *create(const normd_journal_options *options, uint64_t first)
{
    normd_journal *journal = calloc(1, sizeof *journal);
    pthread_condattr_t clock;
    if (journal == NULL || pthread_condattr_init(&clock) != 0) {
        free(journal);
        return NULL;
    }
    journal->options = *options;
    journal->first = first;
    journal->file = -1;
    /* So that the clock may be set while the syncer waits. */
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&journal->lock, NULL);
    pthread_cond_init(&journal->wake, &clock);
    pthread_cond_init(&journal->rested, NULL);
    pthread_condattr_destroy(&clock);
    return journal;
}

static void destroy(normd_journal *journal)
{
    if (journal->file >= 0) {
        close(journal->file);
    }
    pthread_cond_destroy(&journal->rested);
    pthread_cond_destroy(&journal->wake);
    pthread_mutex_destroy(&journal->lock);
    free(journal->segments.item);
    free(journal->headers);
    free(journal->parts);
    free(journal->sums);
    free(journal);
}

/* Appends go to a segment of their own, so that nothing is ever written twice at one place. */
static normd_status get_ready(normd_journal *journal, normd_error *error)
{
    journal->synced = journal->record;
    uint64_t bytes = 0;
    for (size_t i = 0; i < journal->segments.count; i++) {
        bytes += journal->segments.item[i].end;
    }
    atomic_store(&journal->bytes, bytes);
    if (journal->options.read_only) {
        return NORMD_OK;
    }
    pthread_mutex_lock(&journal->lock);
    normd_status status = normd_journal_begin_segment(journal, error);
    pthread_mutex_unlock(&journal->lock);
    return status == NORMD_OK ? normd_journal_start_syncer(journal, error) : status;
}

normd_status normd_journal_open(const normd_journal_options *options, uint64_t first,
    normd_status (*record)(void *context, normd_store_bytes record, normd_error *error),
    void *context, normd_store_report *report, normd_journal **journal, normd_error *error)
{
    *journal = NULL;
    normd_journal *made = create(options, first);
    if (made == NULL) {
        return normd_error_no_memory(error);
    }
    normd_status status = normd_journal_read(
        options, first, record, context, report, &made->segments, &made->record, error);
    if (status == NORMD_OK) {
        status = get_ready(made, error);
        if (status == NORMD_OK && !options->read_only) {
            unlinkat(options->directory, NORMD_JOURNAL_OF_COPY, 0);
        }
    }
    if (status != NORMD_OK) {
        destroy(made);
        return status;
    }
    *journal = made;
    return NORMD_OK;
}

static void sync_here(normd_journal *journal)
{
    if (!journal->unsynced && journal->synced == journal->record) {
        return;
    }
    journal->unsynced = false;
    int code = normd_segment_sync(journal->file);
    if (code != 0) {
        normd_journal_sync_failed(journal, code);
    } else {
        normd_journal_sync_worked(journal, journal->record, normd_journal_current(journal)->end);
    }
}

/* The last sync, and a marker that tells whoever opens it next that all of it was on the disk. */
static void settle(normd_journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    sync_here(journal);
    if (journal->options.sync != NORMD_STORE_SYNC_NO && normd_journal_has_work(journal)) {
        normd_journal_mark(journal);
        sync_here(journal);
    }
    pthread_mutex_unlock(&journal->lock);
}

void normd_journal_close(normd_journal *journal)
{
    if (journal == NULL) {
        return;
    }
    normd_journal_stop_syncer(journal);
    if (journal->file >= 0) {
        settle(journal);
    }
    destroy(journal);
}

/* Takes the oldest segment out of the table when it is below `first`, and never the one in use. */
static bool take_oldest(normd_journal *journal, uint64_t first, uint64_t *number)
{
    pthread_mutex_lock(&journal->lock);
    normd_journal_segments *segments = &journal->segments;
    bool taken = segments->count > 1 && segments->item[0].number < first;
    if (taken) {
        *number = segments->item[0].number;
        atomic_fetch_sub(&journal->bytes, segments->item[0].end);
        segments->count--;
        memmove(segments->item, segments->item + 1, segments->count * sizeof *segments->item);
    }
    pthread_mutex_unlock(&journal->lock);
    return taken;
}

void normd_journal_remove(normd_journal *journal, uint64_t first)
{
    uint64_t number;
    while (take_oldest(journal, first, &number)) {
        normd_segment_name name = normd_segment_name_of(number);
        const char *file = normd_segment_name_in_folder(&name);
        if (unlinkat(journal->options.directory, file, 0) != 0 && errno != ENOENT) {
            char text[128];
            normd_journal_note(&journal->options, "%s: cannot remove it, the next start will: %s",
                name.text, strerror_r(errno, text, sizeof text));
        }
    }
}

uint64_t normd_journal_bytes(const normd_journal *journal)
{
    return atomic_load(&journal->bytes);
}

bool normd_journal_wants_checkpoint(const normd_journal *journal)
{
    return atomic_load(&journal->wants_checkpoint);
}
