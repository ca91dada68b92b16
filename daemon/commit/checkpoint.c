// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "daemon/commit/durable_state.h"
#include "daemon/request.h"

void normd_durable_mark_dirty(normd_durable *durable, normd_durable_session *session)
{
    if (session->dirty) {
        return;
    }
    session->dirty = true;
    session->previous_dirty = NULL;
    session->next_dirty = durable->dirty;
    if (durable->dirty != NULL) {
        durable->dirty->previous_dirty = session;
    }
    durable->dirty = normd_durable_session_retain(session);
    durable->dirty_count++;
}

void normd_durable_clear_dirty(normd_durable *durable, normd_durable_session *session)
{
    if (session->previous_dirty != NULL) {
        session->previous_dirty->next_dirty = session->next_dirty;
    } else {
        durable->dirty = session->next_dirty;
    }
    if (session->next_dirty != NULL) {
        session->next_dirty->previous_dirty = session->previous_dirty;
    }
    session->dirty = false;
    durable->dirty_count--;
    normd_durable_session_release(session);
}

bool normd_checkpoint_is_wanted(const normd_durable *durable)
{
    return durable->begins_anew ||
           normd_store_journal_bytes(durable->store) > durable->options.journal_bytes ||
           durable->replay_nanoseconds > durable->options.recovery_nanoseconds ||
           normd_store_wants_checkpoint(durable->store);
}

bool normd_checkpoint_is_due(const normd_durable *durable)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    bool waits = durable->retry.tv_sec != 0 && now.tv_sec < durable->retry.tv_sec;
    return !waits && normd_checkpoint_is_wanted(durable);
}

static normd_status gather_client(
    void *context, const char *client, size_t length, normd_error *error)
{
    normd_checkpoint *checkpoint = context;
    if (checkpoint->clients == checkpoint->client_capacity) {
        size_t capacity = checkpoint->client_capacity == 0 ? 16 : 2 * checkpoint->client_capacity;
        normd_checkpoint_client *grown =
            realloc(checkpoint->client, capacity * sizeof *checkpoint->client);
        if (grown == NULL) {
            return normd_error_no_memory(error);
        }
        checkpoint->client = grown;
        checkpoint->client_capacity = capacity;
    }
    normd_checkpoint_client *one = &checkpoint->client[checkpoint->clients];
    *one = (normd_checkpoint_client){.key_size = length + 1};
    memcpy(one->key, client, length);
    normd_status status = normd_ledger_encode(
        checkpoint->durable->options.ledger, client, length, &one->bytes, &one->size, error);
    checkpoint->clients += status == NORMD_OK;
    return status;
}

/* Takes every dirty session as it is committed now, and what clients had applied up to here: not
   later, since the journal behind this point may be lost, and the base may not. */
static bool gather(normd_durable *durable, normd_checkpoint *checkpoint)
{
    checkpoint->row = calloc(durable->dirty_count + 1, sizeof *checkpoint->row);
    if (checkpoint->row == NULL) {
        return false;
    }
    while (durable->dirty != NULL) {
        normd_durable_session *session = durable->dirty;
        normd_checkpoint_row *row = &checkpoint->row[checkpoint->rows++];
        *row = (normd_checkpoint_row){
            .session = normd_durable_session_retain(session), .order = session->order};
        if (!session->deleted) {
            row->image = normd_durable_session_image(session);
            row->kept = normd_kept_list_retain(session->kept);
            normd_durable_session_keep_steps(session);
        }
        normd_durable_clear_dirty(durable, session);
    }
    normd_error error;
    return normd_ledger_take_changes(durable->options.ledger, gather_client, checkpoint, &error) ==
           NORMD_OK;
}

static void *work(void *argument)
{
    normd_checkpoint *checkpoint = argument;
    normd_durable *durable = checkpoint->durable;
    if (checkpoint->sealed) {
        normd_checkpoint_write(durable, checkpoint);
    } else {
        normd_store_settle(durable->store);
    }
    pthread_mutex_lock(&durable->lock);
    durable->finished = checkpoint;
    pthread_cond_signal(&durable->wake);
    pthread_mutex_unlock(&durable->lock);
    return NULL;
}

static void wait_a_second(normd_durable *durable)
{
    clock_gettime(CLOCK_MONOTONIC, &durable->retry);
    durable->retry.tv_sec++;
}

/* One that did not come about: what it was to write is dirty again. */
static void take_back(normd_durable *durable, const normd_checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->rows; i++) {
        normd_durable_mark_dirty(durable, checkpoint->row[i].session);
    }
    durable->replay_nanoseconds += checkpoint->replay_nanoseconds;
    normd_ledger_keep_changes(durable->options.ledger);
    wait_a_second(durable);
}

static void tell(normd_durable *durable, const normd_checkpoint *checkpoint)
{
    bool failed = checkpoint->status != NORMD_OK;
    if (failed && !durable->checkpoint_failing) {
        normd_log_write(durable->options.log, NORMD_LOG_ERROR,
            "cannot write a checkpoint, and will try again: %s", checkpoint->error.message);
    } else if (!failed && durable->checkpoint_failing) {
        normd_log_write(durable->options.log, NORMD_LOG_WARNING, "checkpoints are written again");
    }
    durable->checkpoint_failing = failed;
    pthread_mutex_lock(&durable->lock);
    durable->figures.checkpoints += !failed;
    durable->figures.failed_checkpoints += failed;
    durable->figures.journal_bytes = normd_store_journal_bytes(durable->store);
    pthread_mutex_unlock(&durable->lock);
}

static void answer_saves(normd_durable *durable, const normd_checkpoint *checkpoint)
{
    for (normd_request *request = checkpoint->saves, *next; request != NULL; request = next) {
        next = request->next;
        if (checkpoint->status != NORMD_OK) {
            normd_request_fail(request, &checkpoint->error);
        }
        durable->options.done(durable->options.context, request);
    }
}

static void free_checkpoint(normd_checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->rows; i++) {
        normd_image_release(checkpoint->row[i].image);
        normd_kept_list_release(checkpoint->row[i].kept);
        normd_durable_session_release(checkpoint->row[i].session);
    }
    for (size_t i = 0; i < checkpoint->clients; i++) {
        free(checkpoint->client[i].bytes);
    }
    free(checkpoint->client);
    free(checkpoint->row);
    free(checkpoint);
}

static void conclude(normd_durable *durable, normd_checkpoint *checkpoint)
{
    if (checkpoint->status != NORMD_OK) {
        take_back(durable, checkpoint);
    } else {
        durable->retry.tv_sec = 0;
        durable->begins_anew = false;
    }
    tell(durable, checkpoint);
    answer_saves(durable, checkpoint);
    free_checkpoint(checkpoint);
}

static void start_thread(normd_durable *durable, normd_checkpoint *checkpoint)
{
    durable->running = checkpoint;
    if (pthread_create(&checkpoint->thread, NULL, work, checkpoint) != 0) {
        durable->running = NULL;
        checkpoint->status =
            normd_error_set(&checkpoint->error, NORMD_INTERNAL, "cannot start a thread");
        conclude(durable, checkpoint);
    }
}

void normd_checkpoint_start(normd_durable *durable, normd_request *saves)
{
    normd_checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    if (checkpoint == NULL) {
        normd_error error;
        normd_error_no_memory(&error);
        for (normd_request *next; saves != NULL; saves = next) {
            next = saves->next;
            normd_request_fail(saves, &error);
            durable->options.done(durable->options.context, saves);
        }
        wait_a_second(durable);
        return;
    }
    checkpoint->durable = durable;
    checkpoint->saves = saves;
    start_thread(durable, checkpoint);
}

/* What a checkpoint has is from one moment: the journal behind it goes into a new segment. */
static normd_status seal(normd_durable *durable, normd_checkpoint *checkpoint)
{
    normd_error *error = &checkpoint->error;
    normd_status status = normd_store_seal(durable->store, &checkpoint->segment, error);
    if (status == NORMD_OK && !gather(durable, checkpoint)) {
        status = normd_error_no_memory(error);
    }
    checkpoint->last_id = durable->last_id;
    checkpoint->sealed = true;
    checkpoint->replay_nanoseconds = durable->replay_nanoseconds;
    durable->replay_nanoseconds = 0;
    return status;
}

void normd_checkpoint_go_on(normd_durable *durable)
{
    normd_checkpoint *checkpoint = durable->running;
    pthread_join(checkpoint->thread, NULL);
    pthread_mutex_lock(&durable->lock);
    durable->finished = NULL;
    pthread_mutex_unlock(&durable->lock);
    durable->running = NULL;
    if (!checkpoint->sealed) {
        checkpoint->status = seal(durable, checkpoint);
        if (checkpoint->status == NORMD_OK) {
            start_thread(durable, checkpoint);
            return;
        }
    }
    conclude(durable, checkpoint);
}
