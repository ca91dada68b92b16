// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <xxhash.h>

#include "daemon/commit/recovery.h"

static normd_status damaged(normd_error *error, const char *what, uint64_t id)
{
    return normd_error_set(error, NORMD_STORE_FAILED,
        "base/data.mdb is damaged: %s of session %" PRIu64
        "; restore the directory from a copy made with normctl save",
        what, id);
}

/* Room for `size` bytes that rows will fill. */
static bool make_room(uint8_t **data, size_t size)
{
    *data = malloc(size + 1);
    return *data != NULL;
}

static normd_status read_kept(normd_recovered *session, normd_cursor *cursor,
    const normd_session_row *row, normd_error *error)
{
    if (row->kept > cursor->left || row->blobs > cursor->left / 8) {
        return damaged(error, "the row", session->id);
    }
    session->kept = calloc(row->kept + 1, sizeof *session->kept);
    session->blob = calloc(row->blobs + 1, sizeof *session->blob);
    if (session->kept == NULL || session->blob == NULL) {
        return normd_error_no_memory(error);
    }
    for (uint32_t i = 0; i < row->kept; i++) {
        if (!normd_kept_row_read(cursor, &session->kept[session->kept_count++])) {
            return damaged(error, "a kept step", session->id);
        }
    }
    for (uint32_t i = 0; i < row->blobs; i++) {
        session->blob[i].size = normd_cursor_u64(cursor);
        session->blobs++;
        if (cursor->failed || session->blob[i].size > SIZE_MAX / 2) {
            return damaged(error, "the row", session->id);
        }
    }
    return NORMD_OK;
}

static normd_status read_session(
    normd_recovery *recovery, normd_store_bytes key, normd_store_bytes value, normd_error *error)
{
    uint64_t id = key.size == NORMD_ID_BYTES ? normd_id_read(key.data) : 0;
    normd_cursor cursor = {.at = value.data, .left = value.size};
    normd_session_row row;
    if (id == 0 || !normd_session_row_read(&cursor, &row)) {
        return damaged(error, "the row", id);
    }
    normd_recovered *session = normd_recovered_add(recovery, id, row.name, row.name_length);
    if (session == NULL) {
        return normd_error_no_memory(error);
    }
    session->order = row.order;
    session->version = row.version;
    session->steps = row.steps;
    session->last_step = row.last_step;
    session->raw_is_newest = true;
    for (int part = 0; part < NORMD_IMAGE_PARTS; part++) {
        session->raw[part].size = row.part_size[part];
    }
    session->description_size = row.description_size;
    normd_status status = read_kept(session, &cursor, &row, error);
    return status == NORMD_OK && cursor.left != 0 ? damaged(error, "the row", id) : status;
}

/* The next chunk of something: they come in order, each full but the last. */
static normd_status append_chunk(uint8_t **data, size_t size, size_t *have,
    const normd_state_key *key, normd_store_bytes value, normd_error *error)
{
    if (*have != (size_t)key->chunk * NORMD_STATE_CHUNK_BYTES || value.size > size - *have ||
        value.size > NORMD_STATE_CHUNK_BYTES ||
        (value.size < NORMD_STATE_CHUNK_BYTES && *have + value.size != size)) {
        return damaged(error, "a chunk", key->id);
    }
    if (*data == NULL && !make_room(data, size)) {
        return normd_error_no_memory(error);
    }
    memcpy(*data + *have, value.data, value.size);
    *have += value.size;
    return NORMD_OK;
}

static normd_status note_hash(normd_chunk_hashes *base, normd_store_bytes value, normd_error *error)
{
    uint64_t *grown = realloc(base->hash, (base->count + 1) * sizeof *grown);
    if (grown == NULL) {
        return normd_error_no_memory(error);
    }
    grown[base->count++] = XXH3_64bits_withSeed(value.data, value.size, value.size) | 1;
    base->hash = grown;
    return NORMD_OK;
}

static normd_status read_state(
    normd_recovery *recovery, normd_store_bytes bytes, normd_store_bytes value, normd_error *error)
{
    normd_state_key key;
    normd_recovered *session =
        normd_state_key_read(bytes, &key) ? normd_recovered_find(recovery, key.id) : NULL;
    if (session == NULL) {
        return damaged(error, "a chunk without a row", 0);
    }
    if (key.what < NORMD_IMAGE_PARTS && key.number == 0) {
        normd_status status = append_chunk(&session->raw[key.what].data,
            session->raw[key.what].size, &session->raw[key.what].have, &key, value, error);
        return status == NORMD_OK ? note_hash(&session->base[key.what], value, error) : status;
    }
    if (key.what == NORMD_STATE_DESCRIPTION && key.number == 0) {
        return append_chunk((uint8_t **)(void *)&session->description, session->description_size,
            &session->description_have, &key, value, error);
    }
    if (key.what == NORMD_STATE_BLOBS && key.number < session->blobs) {
        return append_chunk(&session->blob[key.number].data, session->blob[key.number].size,
            &session->blob[key.number].have, &key, value, error);
    }
    return damaged(error, "a chunk of an unknown kind", key.id);
}

static normd_status read_fact(
    normd_recovery *recovery, normd_store_bytes key, normd_store_bytes value)
{
    normd_cursor cursor = {.at = value.data, .left = value.size};
    if (key.size == strlen(NORMD_META_LAST_ID) &&
        memcmp(key.data, NORMD_META_LAST_ID, key.size) == 0) {
        recovery->durable->last_id = normd_cursor_u64(&cursor);
    } else if (key.size == strlen(NORMD_META_NUMERICS) &&
               memcmp(key.data, NORMD_META_NUMERICS, key.size) == 0) {
        snprintf(recovery->numerics, sizeof recovery->numerics, "%.*s", (int)value.size,
            (const char *)value.data);
    }
    return NORMD_OK;
}

static normd_status read_client(
    normd_recovery *recovery, normd_store_bytes key, normd_store_bytes value, normd_error *error)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    size_t length = key.size > 0 ? key.size - 1 : 0;
    normd_status status = normd_ledger_decode(recovery->durable->options.ledger, key.data, length,
        value.data, value.size, (uint64_t)now.tv_sec, error);
    if (status != NORMD_OK) {
        normd_error_prefix(error, "base/data.mdb is damaged: client \"%.*s\": ", (int)length,
            (const char *)key.data);
        return error->status = NORMD_STORE_FAILED;
    }
    return NORMD_OK;
}

normd_status normd_recovery_row(void *context, normd_store_table table, normd_store_bytes key,
    normd_store_bytes value, normd_error *error)
{
    normd_recovery *recovery = context;
    switch (table) {
    case NORMD_STORE_META:
        return read_fact(recovery, key, value);
    case NORMD_STORE_SESSIONS:
        return read_session(recovery, key, value, error);
    case NORMD_STORE_STATE:
        return read_state(recovery, key, value, error);
    default:
        return read_client(recovery, key, value, error);
    }
}

/* A kept step may only name what there is, in its size. */
static bool kept_is_whole(const normd_recovered *session, const normd_kept_row *row)
{
    bool parameters =
        row->parameters_blob == NORMD_BLOB_IMAGE || row->parameters_blob < session->blobs;
    bool statistics =
        row->statistics_blob == NORMD_BLOB_IMAGE || row->statistics_blob < session->blobs;
    bool x = row->x_blob < session->blobs &&
             session->blob[row->x_blob].size == normd_array_bytes(&row->x);
    bool mask =
        !row->has_mask || (row->mask_blob < session->blobs &&
                              session->blob[row->mask_blob].size == normd_array_bytes(&row->mask));
    return row->step <= session->last_step && parameters && statistics && x && mask;
}

/* What is missing of it, or NULL. */
static const char *what_is_missing(const normd_recovery *recovery, const normd_recovered *session)
{
    static const char *const parts[NORMD_IMAGE_PARTS] = {"the parameters", "the statistics",
        "the optimizer's slots", "the accumulated gradients", "the recalibration"};
    if (session->id > recovery->durable->last_id) {
        return "the id (it is above the last one that was given)";
    }
    if (session->description == NULL || session->description_have != session->description_size) {
        return "a part of the description";
    }
    for (int part = 0; part < NORMD_IMAGE_PARTS; part++) {
        if (session->raw[part].have != session->raw[part].size) {
            return parts[part];
        }
    }
    for (size_t i = 0; i < session->blobs; i++) {
        if (session->blob[i].have != session->blob[i].size) {
            return "a part of a kept step";
        }
    }
    for (size_t i = 0; i < session->kept_count; i++) {
        if (!kept_is_whole(session, &session->kept[i])) {
            return "a kept step";
        }
    }
    return NULL;
}

normd_status normd_recovery_check_base(normd_recovery *recovery, normd_error *error)
{
    for (normd_recovered *session = recovery->sessions; session != NULL;
         session = session->hh.next) {
        const char *missing = what_is_missing(recovery, session);
        if (missing != NULL) {
            return damaged(error, missing, session->id);
        }
        session->description[session->description_size] = '\0';
        session->base_description =
            XXH3_64bits(session->description, session->description_size) | 1;
    }
    return NORMD_OK;
}
