// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_COMMIT_CHECKPOINT_BLOBS_H
#define NORMD_DAEMON_COMMIT_CHECKPOINT_BLOBS_H

#include "daemon/durable/kept_list.h"
#include "daemon/durable/rows.h"

/*
 * The bytes that kept steps hold, each once: the steps of a session share parameters and statistics
 * with one another and with its state. Zeroed at first, but for `image`.
 */
typedef struct normd_blobs {
    const normd_image *image;
    normd_kept_row *row;
    size_t rows;
    normd_image_bytes *blob;
    size_t count;
} normd_blobs;

/* `kept` may be NULL. INTERNAL. */
normd_status normd_blobs_gather(
    normd_blobs *blobs, const normd_kept_list *kept, normd_error *error);
normd_status normd_blobs_put(
    const normd_blobs *blobs, normd_store_batch *batch, uint64_t id, normd_error *error);
void normd_blobs_free(normd_blobs *blobs);

/* Bytes in chunks, the first under key.chunk 0 (checkpoint_write.c). */
normd_status normd_checkpoint_put_bytes(normd_store_batch *batch, normd_state_key key,
    const void *data, size_t size, normd_error *error);

#endif
