// SPDX-License-Identifier: Apache-2.0
#include "daemon/durable.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/commit/durable_state.h"
#include "daemon/request.h"
#include "lib/blas/blas.h"

static void note(void *context, const char *text)
{
    const normd_durable *durable = context;
    normd_log_write(durable->options.log, NORMD_LOG_WARNING, "%s", text);
}

normd_status normd_durable_open(
    const normd_durable_options *options, normd_durable **durable, normd_error *error)
{
    *durable = NULL;
    normd_durable *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return normd_error_no_memory(error);
    }
    made->options = *options;
    pthread_mutex_init(&made->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&made->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    normd_store_options store = {.directory = options->directory,
        .sync = options->sync,
        .read_only = options->read_only,
        .note = note,
        .context = made};
    normd_status status = normd_store_open(&store, &made->store, error);
    if (status != NORMD_OK) {
        normd_durable_close(made);
        return status;
    }
    *durable = made;
    return NORMD_OK;
}

/* Counts the changes of normd's own results: one more whenever a step comes to other bits than
   before, for a journal of the version before cannot be done again then. */
enum { NUMERICS_VERSION = 1 };

const char *normd_durable_numerics(char *text, size_t size)
{
    snprintf(text, size, "%d, %s", NUMERICS_VERSION, normd_blas_name());
    return text;
}

/* With the lock held: waits until there is something to do. What is due, but failed before, is
   tried again from time to time. */
static void await(normd_durable *durable)
{
    while (durable->first == NULL && durable->finished == NULL &&
           (durable->saves == NULL || durable->running != NULL) && !durable->closing) {
        if (durable->running != NULL || !normd_checkpoint_is_wanted(durable)) {
            pthread_cond_wait(&durable->wake, &durable->lock);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&durable->wake, &durable->lock, &until);
        return;
    }
}

/* A sync is best shared by all that wait. Without one, small groups let the first ones go on while
   the others are written: in one large group all would wait for each other at every station. */
enum { GROUP_REQUESTS = 8 };

static void commit_in_groups(normd_durable *durable, normd_request *first)
{
    bool syncs = durable->options.sync == NORMD_STORE_SYNC_ALWAYS;
    while (first != NULL) {
        normd_request *group = first;
        normd_request *last = first;
        for (int i = 1; (syncs || i < GROUP_REQUESTS) && last->next != NULL; i++) {
            last = last->next;
        }
        first = last->next;
        last->next = NULL;
        normd_durable_commit(durable, group);
    }
}

/* None runs: one is due, or is asked for. */
static void start_checkpoint(normd_durable *durable)
{
    pthread_mutex_lock(&durable->lock);
    normd_request *saves = durable->saves;
    durable->saves = NULL;
    pthread_mutex_unlock(&durable->lock);
    if (saves != NULL || normd_checkpoint_is_due(durable)) {
        normd_checkpoint_start(durable, saves);
    }
}

static void *commit_all(void *argument)
{
    normd_durable *durable = argument;
    for (bool closing = false; !closing;) {
        pthread_mutex_lock(&durable->lock);
        await(durable);
        normd_request *first = durable->first;
        durable->first = durable->last = NULL;
        bool finished = durable->finished != NULL;
        closing = durable->closing && first == NULL;
        pthread_mutex_unlock(&durable->lock);
        commit_in_groups(durable, first);
        if (finished) {
            normd_checkpoint_go_on(durable);
        }
        if (durable->running == NULL) {
            start_checkpoint(durable);
        }
    }
    return NULL;
}

static void run_checkpoint(normd_durable *durable)
{
    normd_checkpoint_start(durable, NULL);
    while (durable->running != NULL) {
        normd_checkpoint_go_on(durable);
    }
}

normd_status normd_durable_start(normd_durable *durable, normd_error *error)
{
    if (durable->begins_anew) {
        /* The base names the numerics before the journal has anything that depends on them. */
        run_checkpoint(durable);
    }
    if (pthread_create(&durable->committer, NULL, commit_all, durable) != 0) {
        return normd_error_set(error, NORMD_INTERNAL, "cannot start the thread that commits");
    }
    durable->started = true;
    return NORMD_OK;
}

static void finish(normd_durable *durable)
{
    pthread_mutex_lock(&durable->lock);
    durable->closing = true;
    pthread_cond_signal(&durable->wake);
    pthread_mutex_unlock(&durable->lock);
    pthread_join(durable->committer, NULL);
    while (durable->running != NULL) {
        normd_checkpoint_go_on(durable);
    }
    if (durable->dirty != NULL) {
        run_checkpoint(durable);
    }
}

void normd_durable_close(normd_durable *durable)
{
    if (durable == NULL) {
        return;
    }
    if (durable->started) {
        finish(durable);
    }
    while (durable->dirty != NULL) {
        normd_durable_clear_dirty(durable, durable->dirty);
    }
    normd_store_close(durable->store);
    normd_group_free(&durable->group);
    pthread_cond_destroy(&durable->wake);
    pthread_mutex_destroy(&durable->lock);
    free(durable);
}

void normd_durable_push(normd_durable *durable, normd_request *request)
{
    request->next = NULL;
    pthread_mutex_lock(&durable->lock);
    bool first = durable->first == NULL;
    if (first) {
        durable->first = request;
    } else {
        durable->last->next = request;
    }
    durable->last = request;
    pthread_mutex_unlock(&durable->lock);
    if (first) {
        pthread_cond_signal(&durable->wake);
    }
}

void normd_durable_save(normd_durable *durable, normd_request *request)
{
    pthread_mutex_lock(&durable->lock);
    request->next = durable->saves;
    durable->saves = request;
    pthread_mutex_unlock(&durable->lock);
    pthread_cond_signal(&durable->wake);
}

void normd_durable_read_figures(normd_durable *durable, normd_durable_figures *figures)
{
    pthread_mutex_lock(&durable->lock);
    *figures = durable->figures;
    pthread_mutex_unlock(&durable->lock);
}

normd_status normd_durable_copy(normd_durable *durable, const char *name, char *path,
    size_t path_size, uint64_t *bytes, normd_error *error)
{
    return normd_store_save(durable->store, name, path, path_size, bytes, error);
}
