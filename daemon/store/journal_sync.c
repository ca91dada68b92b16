// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "daemon/store/crc32c.h"
#include "daemon/store/journal_state.h"

void normd_journal_sync_worked(normd_journal *journal, uint64_t record, uint64_t end)
{
    if (!journal->suspect) {
        journal->synced = record;
        journal->synced_end = end;
    }
}

void normd_journal_sync_failed(normd_journal *journal, int code)
{
    atomic_store(&journal->wants_checkpoint, true);
    /* The kernel may have dropped the pages, so that a later sync that succeeds says nothing. */
    journal->unsynced = false;
    if (journal->suspect) {
        return;
    }
    journal->suspect = true;
    normd_segment_name name = normd_segment_name_of(normd_journal_current(journal)->number);
    char text[128];
    normd_journal_note(&journal->options,
        "%s: cannot sync it: %s; the disk may lack what was written since, until the next "
        "checkpoint",
        name.text, strerror_r(code, text, sizeof text));
}

void normd_journal_mark(normd_journal *journal)
{
    journal->marked = journal->record;
    normd_frame frame = {.kind = NORMD_FRAME_MARKER,
        .crc = normd_crc32c(0, NULL, 0),
        .record = journal->record + 1,
        .synced = journal->synced};
    unsigned char bytes[NORMD_FRAME_HEADER_BYTES];
    normd_frame_write(&frame, journal->seed, bytes);
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
    /* Without it nothing is lost. */
    (void)normd_journal_write(journal, &part, 1);
}

static bool mark_is_due(const normd_journal *journal)
{
    return !journal->broken && !journal->suspect && journal->marked != journal->record;
}

bool normd_journal_has_work(const normd_journal *journal)
{
    return mark_is_due(journal) ||
           (journal->options.sync == NORMD_STORE_SYNC_EVERYSEC && journal->unsynced);
}

/* Appends go on meanwhile. */
static void sync_beside_appends(normd_journal *journal)
{
    int file = journal->file;
    uint64_t record = journal->record;
    uint64_t end = normd_journal_current(journal)->end;
    journal->unsynced = false;
    journal->syncing = true;
    pthread_mutex_unlock(&journal->lock);
    int code = normd_segment_sync(file);
    pthread_mutex_lock(&journal->lock);
    journal->syncing = false;
    pthread_cond_broadcast(&journal->rested);
    if (code != 0) {
        normd_journal_sync_failed(journal, code);
    } else {
        normd_journal_sync_worked(journal, record, end);
    }
}

void normd_journal_sync(normd_journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    while (journal->syncing) {
        pthread_cond_wait(&journal->rested, &journal->lock);
    }
    if (journal->unsynced && !journal->broken && journal->options.sync != NORMD_STORE_SYNC_ALWAYS) {
        sync_beside_appends(journal);
    }
    pthread_mutex_unlock(&journal->lock);
}

void normd_journal_tick(normd_journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    bool idle = journal->seen == journal->record;
    journal->seen = journal->record;
    if (journal->options.sync == NORMD_STORE_SYNC_EVERYSEC && journal->unsynced) {
        sync_beside_appends(journal);
    }
    /* With ALWAYS the marker's own sync is the next append's: one here could take an error away
       from it, since the kernel tells each error once. */
    if (idle && mark_is_due(journal) && journal->synced == journal->record) {
        normd_journal_mark(journal);
    }
    pthread_mutex_unlock(&journal->lock);
}

/* A second, or less when the journal is closed. Under the lock. */
static void wait_a_second(normd_journal *journal)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    while (!journal->stop &&
           pthread_cond_timedwait(&journal->wake, &journal->lock, &until) != ETIMEDOUT) {
    }
}

static void *run(void *context)
{
    normd_journal *journal = context;
    pthread_mutex_lock(&journal->lock);
    while (!journal->stop) {
        if (!normd_journal_has_work(journal)) {
            journal->resting = true;
            pthread_cond_wait(&journal->wake, &journal->lock);
            journal->resting = false;
            continue;
        }
        wait_a_second(journal);
        if (!journal->stop) {
            pthread_mutex_unlock(&journal->lock);
            normd_journal_tick(journal);
            pthread_mutex_lock(&journal->lock);
        }
    }
    pthread_mutex_unlock(&journal->lock);
    return NULL;
}

normd_status normd_journal_start_syncer(normd_journal *journal, normd_error *error)
{
    if (journal->options.sync == NORMD_STORE_SYNC_NO) {
        return NORMD_OK;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&journal->syncer, NULL, run, journal);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) {
        char text[128];
        return normd_error_set(error, NORMD_INTERNAL, "cannot start the thread that syncs: %s",
            strerror_r(code, text, sizeof text));
    }
    journal->has_syncer = true;
    return NORMD_OK;
}

void normd_journal_stop_syncer(normd_journal *journal)
{
    if (!journal->has_syncer) {
        return;
    }
    pthread_mutex_lock(&journal->lock);
    journal->stop = true;
    pthread_cond_signal(&journal->wake);
    pthread_mutex_unlock(&journal->lock);
    pthread_join(journal->syncer, NULL);
    journal->has_syncer = false;
}
