// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <time.h>

#include "daemon/commit/recovery.h"
#include "daemon/durable/bytes.h"

normd_recovered *normd_recovered_find(normd_recovery *recovery, uint64_t id)
{
    normd_recovered *session = NULL;
    HASH_FIND(hh, recovery->sessions, &id, sizeof id, session);
    return session;
}

void normd_recovered_drop_kept(normd_recovered *session)
{
    for (size_t i = 0; i < session->blobs; i++) {
        free(session->blob[i].data);
    }
    free(session->blob);
    free(session->kept);
    session->blob = NULL;
    session->kept = NULL;
    session->blobs = session->kept_count = 0;
}

static void free_recovered(normd_recovered *session)
{
    for (int part = 0; part < NORMD_IMAGE_PARTS; part++) {
        free(session->raw[part].data);
        free(session->base[part].hash);
    }
    normd_recovered_drop_kept(session);
    free(session->replayable);
    free(session->description);
    free(session->name);
    normd_session_destroy(session->live);
    free(session);
}

normd_recovered *normd_recovered_add(
    normd_recovery *recovery, uint64_t id, const char *name, size_t length)
{
    normd_recovered *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return NULL;
    }
    session->id = id;
    session->name = normd_bytes_copy_text(name, length);
    session->name_length = length;
    if (session->name == NULL) {
        free_recovered(session);
        return NULL;
    }
    HASH_ADD(hh, recovery->sessions, id, sizeof session->id, session);
    if (session->hh.tbl == NULL) {
        free_recovered(session);
        return NULL;
    }
    return session;
}

void normd_recovered_remove(normd_recovery *recovery, normd_recovered *session)
{
    HASH_DEL(recovery->sessions, session);
    free_recovered(session);
}

bool normd_recovered_add_step(normd_recovered *session, uint64_t step)
{
    if (session->replayable_count == session->replayable_capacity) {
        size_t capacity = session->replayable_capacity == 0 ? 16 : 2 * session->replayable_capacity;
        uint64_t *grown = realloc(session->replayable, capacity * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        session->replayable = grown;
        session->replayable_capacity = capacity;
    }
    session->replayable[session->replayable_count++] = step;
    return true;
}

static normd_image_source source_of(const normd_recovered *session)
{
    normd_image_source source = {
        .description = session->description,
        .version = session->version,
        .steps = session->steps,
        .last_step = session->last_step,
    };
    for (int part = 0; part < NORMD_IMAGE_PARTS; part++) {
        if (session->raw[part].size > 0) {
            source.part[part] = (normd_image_bytes){
                .data = session->raw[part].data, .size = session->raw[part].size};
        }
    }
    return source;
}

static uint64_t now_milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static normd_image_bytes blob_of(
    const normd_recovered *session, uint32_t blob, const normd_image_source *source, int part)
{
    if (blob == NORMD_BLOB_IMAGE) {
        return source->part[part];
    }
    return (normd_image_bytes){.data = session->blob[blob].data, .size = session->blob[blob].size};
}

/* The kept steps of the base, made again from the state of the base. */
static normd_status make_kept(
    normd_recovered *session, const normd_image_source *source, normd_error *error)
{
    normd_status status = NORMD_OK;
    for (size_t i = 0; i < session->kept_count && status == NORMD_OK; i++) {
        const normd_kept_row *row = &session->kept[i];
        normd_kept_step step = {
            .step = row->step,
            .used = row->used,
            .update_stats = row->update_stats,
            .x = row->x,
            .mask = row->mask,
            .parameters = blob_of(session, row->parameters_blob, source, NORMD_IMAGE_PARAMETERS),
            .statistics = blob_of(session, row->statistics_blob, source, NORMD_IMAGE_STATISTICS),
        };
        step.x.data = session->blob[row->x_blob].data;
        step.mask.data = row->has_mask ? session->blob[row->mask_blob].data : NULL;
        status = normd_session_keep_again(session->live, &step, now_milliseconds(), error);
        if (status == NORMD_OK && !normd_recovered_add_step(session, row->step)) {
            status = normd_error_no_memory(error);
        }
    }
    normd_recovered_drop_kept(session);
    return status;
}

/* The message of a state that the sessions' code does not take. */
static normd_status refuse(const normd_recovered *session, normd_error *error)
{
    normd_error why = *error;
    return normd_error_set(error, NORMD_STORE_FAILED,
        "session \"%s\" cannot be brought back: %s; start the normd that wrote it with the limits "
        "that it had, or restore the directory from a copy made with normctl save",
        session->name, why.message);
}

normd_status normd_recovered_live(
    normd_recovery *recovery, normd_recovered *session, normd_error *error)
{
    if (session->live != NULL && !session->raw_is_newest) {
        return NORMD_OK;
    }
    normd_image_source source = source_of(session);
    normd_status status;
    if (session->live != NULL && !session->described_anew) {
        source.description = NULL;
        status = normd_session_assign(session->live, &source, error);
    } else {
        normd_session_destroy(session->live);
        session->live = NULL;
        status = normd_session_restore(recovery->engine, &source, &session->live, error);
        session->described_anew = false;
        if (status == NORMD_OK) {
            status = make_kept(session, &source, error);
        }
    }
    if (status != NORMD_OK) {
        return refuse(session, error);
    }
    session->raw_is_newest = false;
    return NORMD_OK;
}

normd_status normd_recovered_raw(normd_recovered *session, normd_error *error)
{
    if (session->live == NULL || session->raw_is_newest) {
        session->raw_is_newest = true;
        return NORMD_OK;
    }
    normd_image *image = normd_session_image(session->live);
    if (image == NULL) {
        return normd_error_no_memory(error);
    }
    normd_status status = NORMD_OK;
    for (int part = 0; part < NORMD_IMAGE_PARTS && status == NORMD_OK; part++) {
        normd_image_bytes bytes = normd_image_part_of(image, (normd_image_part)part);
        if (bytes.size != session->raw[part].size) {
            free(session->raw[part].data);
            session->raw[part].data = malloc(bytes.size + 1);
            session->raw[part].size = bytes.size;
        }
        if (session->raw[part].data == NULL && bytes.size > 0) {
            session->raw[part].size = 0;
            status = normd_error_no_memory(error);
        } else if (bytes.size > 0) {
            memcpy(session->raw[part].data, bytes.data, bytes.size);
        }
    }
    normd_image_release(image);
    session->raw_is_newest = status == NORMD_OK;
    return status;
}
