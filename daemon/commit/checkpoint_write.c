// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include <xxhash.h>

#include "daemon/commit/checkpoint_blobs.h"
#include "daemon/commit/durable_state.h"
#include "daemon/durable/rows.h"
#include "daemon/request.h"

static normd_status put_chunk(normd_store_batch *batch, const normd_state_key *key,
    const void *data, size_t size, normd_error *error)
{
    uint8_t bytes[NORMD_STATE_KEY_BYTES];
    normd_state_key_write(key, bytes);
    normd_store_bytes piece = {.data = data, .size = size};
    return normd_store_put(batch, NORMD_STORE_STATE,
        (normd_store_bytes){.data = bytes, .size = sizeof bytes}, &piece, 1, error);
}

normd_status normd_checkpoint_put_bytes(normd_store_batch *batch, normd_state_key key,
    const void *data, size_t size, normd_error *error)
{
    normd_status status = NORMD_OK;
    for (size_t begin = 0; begin < size && status == NORMD_OK; begin += NORMD_STATE_CHUNK_BYTES) {
        size_t count =
            size - begin < NORMD_STATE_CHUNK_BYTES ? size - begin : NORMD_STATE_CHUNK_BYTES;
        key.chunk = (uint32_t)(begin / NORMD_STATE_CHUNK_BYTES);
        status = put_chunk(batch, &key, (const char *)data + begin, count, error);
    }
    return status;
}

/* All rows of a session of one kind; of every kind when `size` is that of an id. */
static normd_status delete_rows(normd_store_batch *batch, normd_store_table table, uint64_t id,
    unsigned what, size_t size, normd_error *error)
{
    uint8_t bytes[NORMD_STATE_KEY_BYTES];
    normd_state_key_write(&(normd_state_key){.id = id, .what = what}, bytes);
    return normd_store_delete(
        batch, table, (normd_store_bytes){.data = bytes, .size = size}, error);
}

/* The chunks of a part that the base does not have. */
static normd_status put_part(normd_store_batch *batch, normd_durable_session *session,
    const normd_image *image, int part, normd_error *error)
{
    normd_image_bytes bytes = normd_image_part_of(image, (normd_image_part)part);
    normd_chunk_hashes *base = &session->base[part];
    normd_state_key key = {.id = session->id, .what = NORMD_STATE_PARTS + (unsigned)part};
    size_t count =
        bytes.size / NORMD_STATE_CHUNK_BYTES + (bytes.size % NORMD_STATE_CHUNK_BYTES != 0);
    normd_status status = NORMD_OK;
    if (count != base->count) {
        uint64_t *hash = calloc(count + 1, sizeof *hash);
        if (hash == NULL) {
            return normd_error_no_memory(error);
        }
        free(base->hash);
        *base = (normd_chunk_hashes){.hash = hash, .count = count};
        status = delete_rows(
            batch, NORMD_STORE_STATE, key.id, key.what, NORMD_STATE_WHAT_KEY_BYTES, error);
    }
    for (size_t i = 0; i < count && status == NORMD_OK; i++) {
        size_t begin = i * NORMD_STATE_CHUNK_BYTES;
        size_t size = bytes.size - begin < NORMD_STATE_CHUNK_BYTES ? bytes.size - begin
                                                                   : NORMD_STATE_CHUNK_BYTES;
        const char *data = (const char *)bytes.data + begin;
        /* Never 0, which stands for a chunk that is not there; of the size, too. */
        uint64_t hash = XXH3_64bits_withSeed(data, size, size) | 1;
        if (base->hash[i] != hash) {
            key.chunk = (uint32_t)i;
            status = put_chunk(batch, &key, data, size, error);
            base->hash[i] = hash;
        }
    }
    return status;
}

static normd_status put_description(normd_store_batch *batch, normd_durable_session *session,
    const normd_image *image, uint64_t *size, normd_error *error)
{
    char *description = normd_image_description(image);
    if (description == NULL) {
        return normd_error_no_memory(error);
    }
    *size = strlen(description);
    uint64_t hash = XXH3_64bits(description, *size) | 1;
    normd_state_key key = {.id = session->id, .what = NORMD_STATE_DESCRIPTION};
    normd_status status = NORMD_OK;
    if (hash != session->base_description) {
        status = delete_rows(
            batch, NORMD_STORE_STATE, key.id, key.what, NORMD_STATE_WHAT_KEY_BYTES, error);
        if (status == NORMD_OK) {
            status = normd_checkpoint_put_bytes(batch, key, description, *size, error);
        }
        session->base_description = hash;
    }
    free(description);
    return status;
}

static normd_status put_session_row(normd_store_batch *batch, const normd_checkpoint_row *row,
    normd_session_row *head, normd_error *error)
{
    const normd_durable_session *session = row->session;
    normd_bytes bytes = {.data = NULL};
    normd_blobs blobs = {.image = row->image};
    normd_status status = normd_blobs_gather(&blobs, row->kept, error);
    head->kept = (uint32_t)blobs.rows;
    head->blobs = (uint32_t)blobs.count;
    normd_session_row_write(&bytes, head);
    for (size_t i = 0; i < blobs.rows; i++) {
        normd_kept_row_write(&bytes, &blobs.row[i]);
    }
    for (size_t i = 0; i < blobs.count; i++) {
        normd_bytes_put_u64(&bytes, blobs.blob[i].size);
    }
    if (status == NORMD_OK && bytes.failed) {
        status = normd_error_no_memory(error);
    }
    uint64_t id = htobe64(session->id);
    if (status == NORMD_OK) {
        normd_store_bytes piece = {.data = bytes.data, .size = bytes.size};
        status = normd_store_put(batch, NORMD_STORE_SESSIONS,
            (normd_store_bytes){.data = &id, .size = sizeof id}, &piece, 1, error);
    }
    if (status == NORMD_OK) {
        status = normd_blobs_put(&blobs, batch, session->id, error);
    }
    normd_bytes_free(&bytes);
    normd_blobs_free(&blobs);
    return status;
}

static normd_status put_session(
    normd_store_batch *batch, const normd_checkpoint_row *row, normd_error *error)
{
    normd_durable_session *session = row->session;
    normd_session_row head = {
        .order = row->order,
        .version = normd_image_version(row->image),
        .steps = normd_image_steps(row->image),
        .last_step = normd_image_last_step(row->image),
        .name = session->name,
        .name_length = session->name_length,
    };
    normd_status status =
        put_description(batch, session, row->image, &head.description_size, error);
    for (int part = 0; part < NORMD_IMAGE_PARTS && status == NORMD_OK; part++) {
        head.part_size[part] = normd_image_part_of(row->image, (normd_image_part)part).size;
        status = put_part(batch, session, row->image, part, error);
    }
    if (status == NORMD_OK) {
        status = delete_rows(batch, NORMD_STORE_STATE, session->id, NORMD_STATE_BLOBS,
            NORMD_STATE_WHAT_KEY_BYTES, error);
    }
    return status == NORMD_OK ? put_session_row(batch, row, &head, error) : status;
}

static normd_status delete_session(normd_store_batch *batch, uint64_t id, normd_error *error)
{
    normd_status status = delete_rows(batch, NORMD_STORE_SESSIONS, id, 0, NORMD_ID_BYTES, error);
    return status == NORMD_OK ? delete_rows(batch, NORMD_STORE_STATE, id, 0, NORMD_ID_BYTES, error)
                              : status;
}

static normd_status put_client(
    normd_store_batch *batch, const normd_checkpoint_client *client, normd_error *error)
{
    normd_store_bytes key = {.data = client->key, .size = client->key_size};
    if (client->bytes == NULL) {
        return normd_store_delete(batch, NORMD_STORE_CLIENTS, key, error);
    }
    normd_store_bytes piece = {.data = client->bytes, .size = client->size};
    return normd_store_put(batch, NORMD_STORE_CLIENTS, key, &piece, 1, error);
}

static normd_status put_fact(
    normd_store_batch *batch, const char *key, const void *data, size_t size, normd_error *error)
{
    normd_store_bytes piece = {.data = data, .size = size};
    return normd_store_put(batch, NORMD_STORE_META,
        (normd_store_bytes){.data = key, .size = strlen(key)}, &piece, 1, error);
}

static normd_status put_facts(
    normd_store_batch *batch, const normd_checkpoint *checkpoint, normd_error *error)
{
    char numerics[256];
    normd_durable_numerics(numerics, sizeof numerics);
    uint64_t last_id = htole64(checkpoint->last_id);
    normd_status status = put_fact(batch, NORMD_META_LAST_ID, &last_id, sizeof last_id, error);
    return status == NORMD_OK
               ? put_fact(batch, NORMD_META_NUMERICS, numerics, strlen(numerics), error)
               : status;
}

static normd_status put_all(
    const normd_checkpoint *checkpoint, normd_store_batch *batch, normd_error *error)
{
    normd_status status = put_facts(batch, checkpoint, error);
    for (size_t i = 0; i < checkpoint->rows && status == NORMD_OK; i++) {
        const normd_checkpoint_row *row = &checkpoint->row[i];
        status = row->image == NULL ? delete_session(batch, row->session->id, error)
                                    : put_session(batch, row, error);
    }
    for (size_t i = 0; i < checkpoint->clients && status == NORMD_OK; i++) {
        status = put_client(batch, &checkpoint->client[i], error);
    }
    return status;
}

/* The base has something else than was noted: everything is written by the next one. No part has so
   many chunks, so that those of a part that is empty by then are deleted, too. */
static void forget_base(normd_checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->rows; i++) {
        normd_durable_session *session = checkpoint->row[i].session;
        session->base_description = 0;
        for (int part = 0; part < NORMD_IMAGE_PARTS; part++) {
            free(session->base[part].hash);
            session->base[part] = (normd_chunk_hashes){.hash = NULL, .count = SIZE_MAX};
        }
    }
}

void normd_checkpoint_write(normd_durable *durable, normd_checkpoint *checkpoint)
{
    normd_error *error = &checkpoint->error;
    normd_store_batch *batch;
    checkpoint->status = normd_store_begin(durable->store, &batch, error);
    if (checkpoint->status == NORMD_OK) {
        checkpoint->status = put_all(checkpoint, batch, error);
        if (checkpoint->status == NORMD_OK) {
            checkpoint->status = normd_store_commit(batch, checkpoint->segment, error);
        } else {
            normd_store_abort(batch);
        }
    }
    if (checkpoint->status != NORMD_OK) {
        forget_base(checkpoint);
        return;
    }
    for (normd_request *request = checkpoint->saves; request != NULL; request = request->next) {
        normd_request_run(request);
    }
}
