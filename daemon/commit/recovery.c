// SPDX-License-Identifier: Apache-2.0
#include "daemon/commit/recovery.h"

#include <stdlib.h>
#include <time.h>

/* The base still has its rows. */
void normd_recovery_forget(normd_recovery *recovery, normd_recovered *session)
{
    normd_durable *durable = recovery->durable;
    normd_durable_session *gone =
        normd_durable_session_create(session->id, session->name, session->name_length, NULL);
    if (gone != NULL) {
        gone->deleted = true;
        normd_durable_mark_dirty(durable, gone);
        normd_durable_session_release(gone);
    }
    normd_recovered_remove(recovery, session);
    recovery->session = NULL;
}

/* What the committer goes on with. */
static normd_durable_session *make_durable(
    normd_recovery *recovery, normd_recovered *session, normd_error *error)
{
    normd_image *image = normd_session_image(session->live);
    normd_durable_session *durable = NULL;
    if (image != NULL) {
        durable =
            normd_durable_session_create(session->id, session->name, session->name_length, image);
    }
    if (durable == NULL) {
        normd_error_no_memory(error);
        return NULL;
    }
    durable->order = session->order;
    durable->replayable = session->replayable;
    durable->replayable_count = session->replayable_count;
    durable->replayable_capacity = session->replayable_capacity;
    session->replayable = NULL;
    memcpy(durable->base, session->base, sizeof durable->base);
    memset(session->base, 0, sizeof session->base);
    durable->base_description = session->base_description;
    if (normd_kept_list_take(session->live, &durable->kept, error) != NORMD_OK) {
        normd_durable_session_release(durable);
        return NULL;
    }
    if (session->dirty) {
        normd_durable_mark_dirty(recovery->durable, durable);
    }
    return durable;
}

static normd_status hand_over(normd_recovery *recovery,
    normd_status (*found)(void *context, const normd_durable_found *found, normd_error *error),
    void *context, normd_error *error)
{
    normd_status status = NORMD_OK;
    while (recovery->sessions != NULL && status == NORMD_OK) {
        normd_recovered *session = recovery->sessions;
        status = normd_recovered_live(recovery, session, error);
        if (status != NORMD_OK) {
            return status;
        }
        /* Numbers that were given, but not written down, must not come again. */
        normd_session_number_steps_from(
            session->live, (normd_store_epoch(recovery->durable->store) - 1) << 32);
        normd_durable_found one = {.durable = make_durable(recovery, session, error)};
        if (one.durable == NULL) {
            return error->status;
        }
        one.session = session->live;
        session->live = NULL;
        status = found(context, &one, error);
        normd_recovered_remove(recovery, session);
    }
    return status;
}

static void report(normd_durable *durable, const normd_recovery *recovery,
    const normd_store_report *store, double seconds, size_t sessions)
{
    const normd_log *log = durable->options.log;
    normd_durable_figures *figures = &durable->figures;
    figures->starts = normd_store_epoch(durable->store);
    figures->recovered_rows = store->rows;
    figures->recovered_row_bytes = store->row_bytes;
    figures->recovered_records = store->records;
    figures->recovered_record_bytes = store->record_bytes;
    figures->recovered_again = recovery->records_done;
    figures->recovered_cut_bytes = store->cut_bytes;
    figures->recovery_seconds = seconds;
    figures->journal_bytes = normd_store_journal_bytes(durable->store);
    normd_log_write(log, NORMD_LOG_INFO,
        "recovered %zu sessions in %.3f seconds: %llu rows of %llu bytes, %llu journal records of "
        "%llu bytes, %llu of them done again",
        sessions, seconds, (unsigned long long)store->rows, (unsigned long long)store->row_bytes,
        (unsigned long long)store->records, (unsigned long long)store->record_bytes,
        (unsigned long long)recovery->records_done);
    if (store->cut_bytes > 0 && !durable->options.read_only) {
        normd_log_write(log, NORMD_LOG_WARNING,
            "the journal ended in %llu bytes that were never written whole, and are cut off",
            (unsigned long long)store->cut_bytes);
    }
}

/* The rows, then what they lack is known; then the records. */
static normd_status take_record(void *context, normd_store_bytes record, normd_error *error)
{
    normd_recovery *recovery = context;
    normd_status status = normd_recovery_begin_records(recovery, error);
    return status == NORMD_OK ? normd_recovery_record(recovery, record, error) : status;
}

normd_status normd_recovery_begin_records(normd_recovery *recovery, normd_error *error)
{
    if (recovery->base_is_checked) {
        return NORMD_OK;
    }
    recovery->base_is_checked = true;
    char numerics[256];
    normd_durable_numerics(numerics, sizeof numerics);
    bool differ = strcmp(recovery->numerics, numerics) != 0;
    recovery->other_numerics = recovery->numerics[0] != '\0' && differ;
    recovery->durable->begins_anew = differ;
    return normd_recovery_check_base(recovery, error);
}

normd_status normd_durable_recover(normd_durable *durable, const normd_engine *engine,
    normd_status (*found)(void *context, const normd_durable_found *found, normd_error *error),
    void *context, normd_error *error)
{
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    normd_recovery recovery = {.durable = durable,
        .engine = engine,
        .now_milliseconds = (uint64_t)began.tv_sec * 1000 + (uint64_t)began.tv_nsec / 1000000};
    normd_store_reader reader = {
        .context = &recovery, .row = normd_recovery_row, .record = take_record};
    normd_store_report store = {.rows = 0};
    durable->engine = engine;
    normd_status status = normd_store_read(durable->store, &reader, &store, error);
    if (status == NORMD_OK) {
        status = normd_recovery_begin_records(&recovery, error);
    }
    if (status == NORMD_OK) {
        status = normd_recovery_check_whole(&recovery, error);
    }
    size_t sessions = HASH_COUNT(recovery.sessions);
    if (status == NORMD_OK) {
        status = hand_over(&recovery, found, context, error);
    }
    while (recovery.sessions != NULL) {
        normd_recovered_remove(&recovery, recovery.sessions);
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    if (status == NORMD_OK) {
        report(durable, &recovery, &store,
            (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) * 1e-9,
            sessions);
    }
    return status;
}
