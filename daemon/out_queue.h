// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_OUT_QUEUE_H
#define NORMD_DAEMON_OUT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/*
 * What a connection has still to send, in order. Small answers are copied together into chunks, so
 * that many leave by one system call; a large answer stays where it lies, as a block of a head and
 * a payload, and is released when its last byte was sent. Bytes that were gathered do not move
 * until they are reported as sent. Loop thread only.
 */
typedef struct normd_out_block {
    struct normd_out_block *next; /* the queue's */
    uv_buf_t part[2];             /* sent one after the other */
    void (*release)(struct normd_out_block *block);
} normd_out_block;

enum { NORMD_CHUNK_BYTES = 32 * 1024, NORMD_CHUNKS_KEPT = 256 };

/* Unused chunks, shared by all queues of a server. */
typedef struct normd_chunk_pool {
    struct normd_chunk *free;
    size_t count;
} normd_chunk_pool;

void normd_chunk_pool_clear(normd_chunk_pool *pool);

typedef struct normd_out_queue {
    normd_chunk_pool *chunks;
    normd_out_block *first, *last;
    struct normd_chunk *open; /* the last block, when it is a chunk; else NULL */
    size_t offset;            /* bytes of the first block that are gone */
    size_t bytes;             /* still to send */
} normd_out_queue;

void normd_out_queue_init(normd_out_queue *queue, normd_chunk_pool *chunks);
/* Releases everything unsent. */
void normd_out_queue_clear(normd_out_queue *queue);

/* Copies bytes behind what is there. False when out of memory: the stream has then a hole and must
   be closed. */
bool normd_out_queue_copy(normd_out_queue *queue, const void *data, size_t size);
/* Puts a block behind what is there and owns it until its release. It is released at once when it
   holds no byte. */
void normd_out_queue_put(normd_out_queue *queue, normd_out_block *block);

/* Fills up to `count` buffers with what is to be sent next; returns their number, and their bytes
   in `total`. */
unsigned normd_out_queue_gather(
    const normd_out_queue *queue, uv_buf_t *buffers, unsigned count, size_t *total);
/* The first `size` bytes are gone. */
void normd_out_queue_sent(normd_out_queue *queue, size_t size);

#endif
