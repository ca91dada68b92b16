// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_DURABLE_RECORD_H
#define NORMD_DAEMON_DURABLE_RECORD_H

#include "daemon/durable/bytes.h"
#include "daemon/durable/ledger.h"
#include "daemon/store/store.h"
#include "lib/base/array.h"
#include "lib/session/image.h"

/*
 * One record of the journal: what one mutation of a session, or a few that followed one another,
 * left. A record is a list of items, each a tag (1 byte), the length of its body (8 bytes) and the
 * body; large bodies end with bytes that are written from where they lie. See README.md for the
 * items, byte for byte.
 */

/* Chunks of a state's parts: what a record or a row holds at most of them. */
enum { NORMD_STATE_CHUNK_BYTES = 64 * 1024 };

typedef enum normd_record_kind {
    NORMD_RECORD_STATE = 1, /* the state afterwards, as far as it changed: maybe not at all */
    NORMD_RECORD_REQUEST,   /* what was asked for: done again when it is read */
    NORMD_RECORD_DELETE,    /* the session is gone */
    NORMD_RECORD_KINDS
} normd_record_kind;

/* The first item of every record. */
typedef struct normd_record_head {
    normd_record_kind kind;
    uint64_t session;                   /* its id */
    uint64_t order;                     /* of the session's records, from 1 */
    uint64_t version, steps, last_step; /* afterwards */
} normd_record_head;

/* A session that came to be: the state that follows is whole. */
typedef struct normd_record_made {
    uint64_t replaces; /* the id of the session that had the name, or 0 */
    const char *name;
    size_t name_length;
} normd_record_made;

typedef struct normd_record_once {
    const char *client;
    size_t client_length;
    uint64_t seq;
    normd_ledger_answer answer;
} normd_record_once;

/* Sizes of all parts, then the chunks that changed. */
typedef struct normd_record_chunk {
    normd_image_part part;
    uint32_t index; /* it begins at index * NORMD_STATE_CHUNK_BYTES */
    normd_store_bytes bytes;
} normd_record_chunk;

typedef enum normd_record_field {
    NORMD_FIELD_X,
    NORMD_FIELD_TARGET,
    NORMD_FIELD_SAMPLE_WEIGHT,
    NORMD_FIELD_MASK,
    NORMD_FIELD_DY,
    NORMD_RECORD_FIELDS
} normd_record_field;

/* A train, forward, backward or step. Arrays without data are not there. */
typedef struct normd_record_request {
    uint32_t method; /* normd_method_id */
    uint64_t step;   /* that forward gave, that backward names */
    bool update_stats, apply, repeatable;
    double loss; /* of train: what a replay must find, too */
    normd_array array[NORMD_RECORD_FIELDS];
} normd_record_request;

/* ---- Writing ---- */

typedef struct normd_record_piece {
    const void *data; /* NULL: from the buffer, at `offset` */
    size_t offset, size;
} normd_record_piece;

/* Records that are being put together; zeroed at first, used again after each reset. What is
   pointed to must stay until the record is written. */
typedef struct normd_record_writer {
    normd_bytes bytes; /* of all records: what is not written from where it lies */
    normd_record_piece *piece;
    size_t pieces, piece_capacity;
    size_t flushed; /* of `bytes`, in pieces */
    bool failed;
} normd_record_writer;

void normd_record_reset(normd_record_writer *writer);
void normd_record_free(normd_record_writer *writer);

void normd_record_put_head(normd_record_writer *writer, const normd_record_head *head);
void normd_record_put_made(normd_record_writer *writer, const normd_record_made *made);
void normd_record_put_once(normd_record_writer *writer, const normd_record_once *once);
void normd_record_put_description(normd_record_writer *writer, const char *description);
void normd_record_put_sizes(normd_record_writer *writer, const uint64_t size[NORMD_IMAGE_PARTS]);
void normd_record_put_chunk(normd_record_writer *writer, const normd_record_chunk *chunk);
void normd_record_put_request(normd_record_writer *writer, const normd_record_request *request);

/* How many pieces there are so far: a record's are those since the call before. */
size_t normd_record_pieces(normd_record_writer *writer);
/* The pieces as the store takes them, `to` having room for all; false when memory ran out. */
bool normd_record_finish(normd_record_writer *writer, normd_store_bytes *to);

/* ---- Reading ---- */

/* What a reader of a record is told, in the order of its items; each may be NULL. Bytes are checked
   as far as the record can tell; arrays may be unaligned. What one answers, other than OK, ends
   it. */
typedef struct normd_record_visitor {
    void *context;
    normd_status (*head)(void *context, const normd_record_head *head, normd_error *error);
    normd_status (*made)(void *context, const normd_record_made *made, normd_error *error);
    normd_status (*once)(void *context, const normd_record_once *once, normd_error *error);
    normd_status (*description)(void *context, const char *text, size_t length, normd_error *error);
    normd_status (*sizes)(
        void *context, const uint64_t size[NORMD_IMAGE_PARTS], normd_error *error);
    normd_status (*chunk)(void *context, const normd_record_chunk *chunk, normd_error *error);
    normd_status (*request)(void *context, const normd_record_request *request, normd_error *error);
} normd_record_visitor;

/* STORE_FAILED: not a record. */
normd_status normd_record_read(
    normd_store_bytes record, const normd_record_visitor *visitor, normd_error *error);

#endif
