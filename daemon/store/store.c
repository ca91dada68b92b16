// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/store.h"

#include <pthread.h>
#include <stdlib.h>

#include "daemon/store/base.h"
#include "daemon/store/directory.h"
#include "daemon/store/journal.h"
#include "daemon/store/save.h"

/* There is one at a time, so that it lies within the store. */
struct normd_store_batch {
    normd_store *store;
};

struct normd_store {
    normd_store_options options;
    normd_directory directory;
    normd_base *base;
    normd_journal *journal; /* NULL until it was read */
    uint64_t epoch;
    pthread_mutex_t saving;
    normd_store_batch batch;
};

/* Twice, so that both of LMDB's first pages know it. */
static normd_status begin_epoch(normd_store *store, normd_error *error)
{
    normd_status status = NORMD_OK;
    uint64_t first = normd_base_known(store->base)->first_segment;
    for (int i = 0; i < 2 && status == NORMD_OK; i++) {
        status = normd_base_begin(store->base, error);
        if (status == NORMD_OK) {
            status = normd_base_commit(store->base, store->epoch, first, error);
        }
    }
    return status;
}

static normd_status open_base(normd_store *store, normd_error *error)
{
    normd_base_options options = {.path = store->directory.base,
        .read_only = store->options.read_only,
        .lock = store->directory.lock};
    normd_status status = normd_base_open(&options, &store->base, error);
    if (status != NORMD_OK) {
        return status;
    }
    store->epoch = normd_base_known(store->base)->epoch;
    if (store->options.read_only) {
        return NORMD_OK;
    }
    store->epoch++;
    return begin_epoch(store, error);
}

normd_status normd_store_open(
    const normd_store_options *options, normd_store **store, normd_error *error)
{
    normd_store *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return normd_error_no_memory(error);
    }
    made->options = *options;
    made->options.directory = NULL;
    made->batch.store = made;
    normd_status status = normd_directory_open(options, &made->directory, error);
    if (status != NORMD_OK) {
        free(made);
        return status;
    }
    pthread_mutex_init(&made->saving, NULL);
    status = open_base(made, error);
    if (status != NORMD_OK) {
        normd_store_close(made);
        return status;
    }
    *store = made;
    return NORMD_OK;
}

void normd_store_close(normd_store *store)
{
    if (store == NULL) {
        return;
    }
    normd_journal_close(store->journal);
    normd_base_close(store->base);
    normd_directory_close(&store->directory);
    pthread_mutex_destroy(&store->saving);
    free(store);
}

uint64_t normd_store_epoch(const normd_store *store)
{
    return store->epoch;
}

normd_status normd_store_read(normd_store *store, const normd_store_reader *reader,
    normd_store_report *report, normd_error *error)
{
    if (store->journal != NULL) {
        return normd_error_set(error, NORMD_INTERNAL, "store: expected one reading, got another");
    }
    *report = (normd_store_report){0};
    normd_status status = normd_base_read(store->base, reader, report, error);
    if (status != NORMD_OK) {
        return status;
    }
    normd_journal_options options = {.directory = store->directory.journal,
        .sync = store->options.sync,
        .read_only = store->options.read_only,
        .note = store->options.note,
        .context = store->options.context};
    status = normd_journal_open(&options, normd_base_known(store->base)->first_segment,
        reader->record, reader->context, report, &store->journal, error);
    if (status == NORMD_STORE_FAILED) {
        normd_error_prefix(error, "%s/", store->directory.path);
    }
    return status;
}

/* Recovery comes before all writing. */
static normd_status check_writable(const normd_store *store, normd_error *error)
{
    if (store->journal != NULL && !store->options.read_only) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_INTERNAL,
        "store: expected one open for writing and read, %s",
        store->options.read_only ? "got one open for a check" : "got one not read");
}

normd_status normd_store_append(
    normd_store *store, const normd_store_record *record, size_t records, normd_error *error)
{
    normd_status status = check_writable(store, error);
    return status == NORMD_OK ? normd_journal_append(store->journal, record, records, error)
                              : status;
}

uint64_t normd_store_journal_bytes(const normd_store *store)
{
    return store->journal == NULL ? 0 : normd_journal_bytes(store->journal);
}

bool normd_store_wants_checkpoint(const normd_store *store)
{
    return store->journal != NULL && normd_journal_wants_checkpoint(store->journal);
}

void normd_store_settle(normd_store *store)
{
    if (store->journal != NULL && !store->options.read_only) {
        normd_journal_sync(store->journal);
    }
}

normd_status normd_store_seal(normd_store *store, uint64_t *segment, normd_error *error)
{
    normd_status status = check_writable(store, error);
    return status == NORMD_OK ? normd_journal_seal(store->journal, segment, error) : status;
}

normd_status normd_store_begin(normd_store *store, normd_store_batch **batch, normd_error *error)
{
    normd_status status = check_writable(store, error);
    if (status == NORMD_OK) {
        status = normd_base_begin(store->base, error);
    }
    *batch = status == NORMD_OK ? &store->batch : NULL;
    return status;
}

normd_status normd_store_put(normd_store_batch *batch, normd_store_table table,
    normd_store_bytes key, const normd_store_bytes *piece, size_t pieces, normd_error *error)
{
    return normd_base_put(batch->store->base, table, key, piece, pieces, error);
}

normd_status normd_store_delete(
    normd_store_batch *batch, normd_store_table table, normd_store_bytes prefix, normd_error *error)
{
    return normd_base_delete(batch->store->base, table, prefix, error);
}

normd_status normd_store_commit(normd_store_batch *batch, uint64_t segment, normd_error *error)
{
    normd_store *store = batch->store;
    normd_status status = normd_base_commit(store->base, store->epoch, segment, error);
    if (status == NORMD_OK) {
        normd_journal_remove(store->journal, segment);
    }
    return status;
}

void normd_store_abort(normd_store_batch *batch)
{
    normd_base_abort(batch->store->base);
}

normd_status normd_store_save(normd_store *store, const char *name, char *path, size_t path_size,
    uint64_t *bytes, normd_error *error)
{
    normd_status status = check_writable(store, error);
    if (status != NORMD_OK) {
        return status;
    }
    pthread_mutex_lock(&store->saving);
    status = normd_save_make(&store->directory, store->base, name, path, path_size, bytes, error);
    pthread_mutex_unlock(&store->saving);
    return status;
}
