// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>

#include "daemon/commit/recovery.h"
#include "daemon/durable/bytes.h"

static normd_status damaged(const normd_recovery *recovery, normd_error *error, const char *what)
{
    return normd_error_set(error, NORMD_STORE_FAILED,
        "the journal does not fit the base: %s (session %" PRIu64 ", record %" PRIu64
        "); restore the directory from a copy made with normctl save",
        what, recovery->head.session, recovery->head.order);
}

static normd_status take_head(void *context, const normd_record_head *head, normd_error *error)
{
    normd_recovery *recovery = context;
    recovery->head = *head;
    recovery->session = normd_recovered_find(recovery, head->session);
    recovery->is_new = recovery->session == NULL;
    if (recovery->is_new) {
        /* Only a session that the item behind this one makes may be new. */
        return head->kind == NORMD_RECORD_STATE && head->order == 1 &&
                       head->session > recovery->durable->last_id
                   ? NORMD_OK
                   : damaged(recovery, error, "a session that there is not");
    }
    if (head->order != recovery->session->order + 1) {
        return damaged(recovery, error, "a record is missing");
    }
    if (head->kind != NORMD_RECORD_DELETE && head->version < recovery->session->version) {
        return damaged(recovery, error, "its version is older than the one before it");
    }
    return NORMD_OK;
}

static normd_status take_made(void *context, const normd_record_made *made, normd_error *error)
{
    normd_recovery *recovery = context;
    if (!recovery->is_new || recovery->session != NULL) {
        return damaged(recovery, error, "a session is made that is there");
    }
    if (made->replaces != 0) {
        normd_recovered *old = normd_recovered_find(recovery, made->replaces);
        if (old == NULL) {
            return damaged(recovery, error, "a session is replaced that there is not");
        }
        normd_recovery_forget(recovery, old);
    }
    recovery->session =
        normd_recovered_add(recovery, recovery->head.session, made->name, made->name_length);
    if (recovery->session == NULL) {
        return normd_error_no_memory(error);
    }
    recovery->durable->last_id = recovery->head.session;
    return NORMD_OK;
}

static normd_status take_once(void *context, const normd_record_once *once, normd_error *error)
{
    const normd_recovery *recovery = context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    normd_status status = normd_ledger_restore(recovery->durable->options.ledger, once->client,
        once->client_length, once->seq, (uint64_t)now.tv_sec, &once->answer, error);
    if (status != NORMD_OK) {
        error->status = NORMD_STORE_FAILED;
        return NORMD_STORE_FAILED;
    }
    return NORMD_OK;
}

/* A whole state follows, and no kept step outlives that. */
static normd_status take_description(
    void *context, const char *text, size_t length, normd_error *error)
{
    normd_recovery *recovery = context;
    normd_recovered *session = recovery->session;
    if (session == NULL) {
        return damaged(recovery, error, "a session that there is not");
    }
    char *copy = normd_bytes_copy_text(text, length);
    if (copy == NULL) {
        return normd_error_no_memory(error);
    }
    free(session->description);
    session->description = copy;
    session->description_size = strlen(copy);
    session->described_anew = true;
    normd_recovered_drop_kept(session);
    return NORMD_OK;
}

/* A part of a session that the limits allow, with much to spare: what they say of a session leaves
   out what a recalibration collects. Memory is not asked for in vain. */
static bool is_possible(const normd_recovery *recovery, uint64_t size)
{
    size_t limit = recovery->engine->limits.session_bytes;
    return size < SIZE_MAX / 2 && (limit == 0 || size / 16 <= limit);
}

static normd_status take_sizes(
    void *context, const uint64_t size[NORMD_IMAGE_PARTS], normd_error *error)
{
    normd_recovery *recovery = context;
    normd_recovered *session = recovery->session;
    if (session == NULL || session->description == NULL) {
        return damaged(recovery, error, "a session that there is not");
    }
    /* What the base keeps for backward shares its parameters and statistics with the base's state,
       which the chunks of this record write over. */
    normd_status status =
        session->kept_count > 0 ? normd_recovered_live(recovery, session, error) : NORMD_OK;
    if (status == NORMD_OK) {
        status = normd_recovered_raw(session, error);
    }
    for (int part = 0; part < NORMD_IMAGE_PARTS && status == NORMD_OK; part++) {
        if (size[part] == session->raw[part].size) {
            continue;
        }
        if (!is_possible(recovery, size[part])) {
            return damaged(recovery, error, "a part is larger than a session may be");
        }
        uint8_t *data = calloc(1, size[part] + 1);
        if (data == NULL) {
            return normd_error_no_memory(error);
        }
        free(session->raw[part].data);
        session->raw[part].data = data;
        session->raw[part].size = size[part];
    }
    return status;
}

static normd_status take_chunk(void *context, const normd_record_chunk *chunk, normd_error *error)
{
    normd_recovery *recovery = context;
    normd_recovered *session = recovery->session;
    size_t begin = (size_t)chunk->index * NORMD_STATE_CHUNK_BYTES;
    if (session == NULL || !session->raw_is_newest || begin > session->raw[chunk->part].size ||
        chunk->bytes.size > session->raw[chunk->part].size - begin) {
        return damaged(recovery, error, "a chunk lies outside of its part");
    }
    memcpy(session->raw[chunk->part].data + begin, chunk->bytes.data, chunk->bytes.size);
    return NORMD_OK;
}

static normd_status take_request(
    void *context, const normd_record_request *request, normd_error *error)
{
    normd_recovery *recovery = context;
    if (recovery->session == NULL || recovery->head.kind != NORMD_RECORD_REQUEST) {
        return damaged(recovery, error, "a request where none may be");
    }
    normd_status status = normd_recovered_live(recovery, recovery->session, error);
    return status == NORMD_OK ? normd_recovery_replay(recovery, request, error) : status;
}

static const normd_record_visitor take_items = {
    .head = take_head,
    .made = take_made,
    .once = take_once,
    .description = take_description,
    .sizes = take_sizes,
    .chunk = take_chunk,
    .request = take_request,
};

normd_status normd_recovery_record(void *context, normd_store_bytes record, normd_error *error)
{
    normd_recovery *recovery = context;
    normd_record_visitor visitor = take_items;
    visitor.context = recovery;
    normd_status status = normd_record_read(record, &visitor, error);
    if (status != NORMD_OK) {
        return status;
    }
    normd_recovered *session = recovery->session;
    if (session == NULL) {
        return damaged(recovery, error, "a session that there is not");
    }
    const normd_record_head *head = &recovery->head;
    session->order = head->order;
    session->version = head->version;
    session->steps = head->steps;
    session->last_step = head->last_step;
    session->dirty = true;
    if (head->kind == NORMD_RECORD_DELETE) {
        normd_recovery_forget(recovery, session);
    }
    return NORMD_OK;
}
