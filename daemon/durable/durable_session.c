// SPDX-License-Identifier: Apache-2.0
#include "daemon/durable/durable_session.h"
#include "daemon/durable/bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

normd_durable_session *normd_durable_session_create(
    uint64_t id, const char *name, size_t name_length, normd_image *image)
{
    normd_durable_session *session = calloc(1, sizeof *session);
    char *copy = normd_bytes_copy_text(name, name_length);
    if (session == NULL || copy == NULL) {
        free(session);
        free(copy);
        normd_image_release(image);
        return NULL;
    }
    atomic_init(&session->references, 1);
    atomic_init(&session->epoch, 0);
    atomic_init(&session->ended, 0);
    pthread_mutex_init(&session->lock, NULL);
    session->id = id;
    session->name = copy;
    session->name_length = name_length;
    session->image = image;
    return session;
}

normd_durable_session *normd_durable_session_retain(normd_durable_session *session)
{
    atomic_fetch_add_explicit(&session->references, 1, memory_order_relaxed);
    return session;
}

void normd_durable_session_release(normd_durable_session *session)
{
    if (session == NULL ||
        atomic_fetch_sub_explicit(&session->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    normd_image_release(session->image);
    normd_kept_list_release(session->kept);
    for (int part = 0; part < NORMD_IMAGE_PARTS; part++) {
        free(session->base[part].hash);
    }
    free(session->replayable);
    pthread_mutex_destroy(&session->lock);
    free(session->name);
    free(session);
}

normd_snapshot *normd_durable_session_snapshot(normd_durable_session *session)
{
    pthread_mutex_lock(&session->lock);
    normd_snapshot *snapshot = normd_image_snapshot(session->image);
    pthread_mutex_unlock(&session->lock);
    return snapshot;
}

normd_image *normd_durable_session_image(normd_durable_session *session)
{
    pthread_mutex_lock(&session->lock);
    normd_image *image = normd_image_retain(session->image);
    pthread_mutex_unlock(&session->lock);
    return image;
}

void normd_durable_session_commit(normd_durable_session *session, normd_image *image)
{
    pthread_mutex_lock(&session->lock);
    normd_image *before = session->image;
    session->image = image;
    pthread_mutex_unlock(&session->lock);
    normd_image_release(before);
}

/* The place of the first step that is not below. */
static size_t place_of(const normd_durable_session *session, uint64_t step)
{
    size_t from = 0;
    size_t to = session->replayable_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (session->replayable[middle] < step) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

bool normd_durable_session_replays(const normd_durable_session *session, uint64_t step)
{
    size_t place = place_of(session, step);
    return place < session->replayable_count && session->replayable[place] == step;
}

bool normd_durable_session_reserve_steps(normd_durable_session *session, size_t more)
{
    size_t needed = session->replayable_count + more;
    if (needed <= session->replayable_capacity) {
        return true;
    }
    size_t capacity = needed < 16 ? 16 : 2 * needed;
    uint64_t *grown = realloc(session->replayable, capacity * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    session->replayable = grown;
    session->replayable_capacity = capacity;
    return true;
}

void normd_durable_session_add_step(normd_durable_session *session, uint64_t step)
{
    assert(session->replayable_count < session->replayable_capacity);
    assert(session->replayable_count == 0 ||
           session->replayable[session->replayable_count - 1] < step);
    session->replayable[session->replayable_count++] = step;
}

void normd_durable_session_keep_steps(normd_durable_session *session)
{
    size_t count = session->kept != NULL ? session->kept->steps.count : 0;
    size_t kept = 0;
    size_t at = 0;
    /* Both rise. */
    for (size_t i = 0; i < session->replayable_count; i++) {
        while (at < count && session->kept->steps.step[at].step < session->replayable[i]) {
            at++;
        }
        if (at < count && session->kept->steps.step[at].step == session->replayable[i]) {
            session->replayable[kept++] = session->replayable[i];
        }
    }
    session->replayable_count = kept;
}
