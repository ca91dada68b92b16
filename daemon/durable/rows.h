// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_DURABLE_ROWS_H
#define NORMD_DAEMON_DURABLE_ROWS_H

#include "daemon/durable/bytes.h"
#include "daemon/store/store.h"
#include "lib/base/array.h"
#include "lib/session/image.h"

/*
 * The rows of the base: a row a session with its numbers, and its bytes cut into chunks, each a row
 * of the table of states. See README.md for them, byte for byte.
 */

/* Keys of the table of states: id, what, number, chunk; big-endian, so that a session's rows are
   neighbours and its chunks in order. */
typedef enum normd_state_what {
    NORMD_STATE_PARTS = 0, /* + normd_image_part */
    NORMD_STATE_DESCRIPTION = 0x70,
    NORMD_STATE_BLOBS = 0x80, /* what kept steps hold; `number` tells them apart */
} normd_state_what;

enum {
    NORMD_STATE_KEY_BYTES = 8 + 1 + 4 + 4,
    NORMD_STATE_WHAT_KEY_BYTES = 8 + 1,
    NORMD_ID_BYTES = 8
};

typedef struct normd_state_key {
    uint64_t id;
    unsigned what;
    uint32_t number, chunk;
} normd_state_key;

void normd_state_key_write(const normd_state_key *key, uint8_t bytes[NORMD_STATE_KEY_BYTES]);
bool normd_state_key_read(normd_store_bytes bytes, normd_state_key *key);
uint64_t normd_id_read(const void *bytes);

/* A kept step in a session's row: where its bytes are. */
enum { NORMD_BLOB_NONE = UINT32_MAX, NORMD_BLOB_IMAGE = UINT32_MAX - 1 };
typedef struct normd_kept_row {
    uint64_t step;
    bool used, update_stats;
    normd_array x, mask; /* without data; has_mask */
    bool has_mask;
    uint32_t x_blob, mask_blob;                /* or NONE */
    uint32_t parameters_blob, statistics_blob; /* or IMAGE: the session's own */
} normd_kept_row;

/* A session's row. The lists are read one after another. */
typedef struct normd_session_row {
    uint64_t order, version, steps, last_step;
    const char *name;
    size_t name_length;
    uint64_t description_size;
    uint64_t part_size[NORMD_IMAGE_PARTS];
    uint32_t kept, blobs; /* how many follow */
} normd_session_row;

void normd_session_row_write(normd_bytes *bytes, const normd_session_row *row);
void normd_kept_row_write(normd_bytes *bytes, const normd_kept_row *row);
/* After the kept steps: the size of each blob, with normd_bytes_put_u64. */

/* False when the bytes are none. */
bool normd_session_row_read(normd_cursor *cursor, normd_session_row *row);
bool normd_kept_row_read(normd_cursor *cursor, normd_kept_row *row);

/* Rows of the table of facts. */
#define NORMD_META_LAST_ID "last id"
#define NORMD_META_NUMERICS "numerics"

#endif
