// SPDX-License-Identifier: Apache-2.0
#include "daemon/out_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct normd_chunk {
    normd_out_block block;
    normd_chunk_pool *home;
    struct normd_chunk *next_free;
    char bytes[NORMD_CHUNK_BYTES];
} normd_chunk;

static void chunk_release(normd_out_block *block)
{
    normd_chunk *chunk = (normd_chunk *)((char *)block - offsetof(normd_chunk, block));
    normd_chunk_pool *pool = chunk->home;
    if (pool->count >= NORMD_CHUNKS_KEPT) {
        free(chunk);
        return;
    }
    chunk->next_free = pool->free;
    pool->free = chunk;
    pool->count++;
}

static normd_chunk *chunk_take(normd_chunk_pool *pool)
{
    normd_chunk *chunk = pool->free;
    if (chunk != NULL) {
        pool->free = chunk->next_free;
        pool->count--;
    } else {
        chunk = malloc(sizeof *chunk);
        if (chunk == NULL) {
            return NULL;
        }
    }
    chunk->home = pool;
    chunk->block = (normd_out_block){
        .part = {{.base = chunk->bytes, .len = 0}, {.base = NULL, .len = 0}},
        .release = chunk_release,
    };
    return chunk;
}

void normd_chunk_pool_clear(normd_chunk_pool *pool)
{
    while (pool->free != NULL) {
        normd_chunk *chunk = pool->free;
        pool->free = chunk->next_free;
        free(chunk);
    }
    pool->count = 0;
}

void normd_out_queue_init(normd_out_queue *queue, normd_chunk_pool *chunks)
{
    *queue = (normd_out_queue){.chunks = chunks};
}

void normd_out_queue_clear(normd_out_queue *queue)
{
    while (queue->first != NULL) {
        normd_out_block *block = queue->first;
        queue->first = block->next;
        block->release(block);
    }
    normd_out_queue_init(queue, queue->chunks);
}

static size_t block_bytes(const normd_out_block *block)
{
    return block->part[0].len + block->part[1].len;
}

static void append(normd_out_queue *queue, normd_out_block *block)
{
    block->next = NULL;
    if (queue->last != NULL) {
        queue->last->next = block;
    } else {
        queue->first = block;
    }
    queue->last = block;
}

bool normd_out_queue_copy(normd_out_queue *queue, const void *data, size_t size)
{
    const char *from = data;
    while (size > 0) {
        normd_chunk *chunk = queue->open;
        if (chunk == NULL || chunk->block.part[0].len == NORMD_CHUNK_BYTES) {
            chunk = chunk_take(queue->chunks);
            if (chunk == NULL) {
                return false;
            }
            append(queue, &chunk->block);
            queue->open = chunk;
        }
        size_t used = chunk->block.part[0].len;
        size_t part = size < NORMD_CHUNK_BYTES - used ? size : NORMD_CHUNK_BYTES - used;
        memcpy(chunk->bytes + used, from, part);
        chunk->block.part[0].len += part;
        queue->bytes += part;
        from += part;
        size -= part;
    }
    return true;
}

void normd_out_queue_put(normd_out_queue *queue, normd_out_block *block)
{
    size_t bytes = block_bytes(block);
    if (bytes == 0) {
        block->release(block);
        return;
    }
    append(queue, block);
    queue->open = NULL;
    queue->bytes += bytes;
}

unsigned normd_out_queue_gather(
    const normd_out_queue *queue, uv_buf_t *buffers, unsigned count, size_t *total)
{
    unsigned filled = 0;
    size_t skip = queue->offset;
    *total = 0;
    for (normd_out_block *block = queue->first; block != NULL; block = block->next) {
        for (unsigned i = 0; i < 2; i++) {
            uv_buf_t part = block->part[i];
            if (part.len <= skip) {
                skip -= part.len;
                continue;
            }
            if (filled == count) {
                return filled;
            }
            buffers[filled++] = (uv_buf_t){.base = part.base + skip, .len = part.len - skip};
            *total += part.len - skip;
            skip = 0;
        }
    }
    return filled;
}

void normd_out_queue_sent(normd_out_queue *queue, size_t size)
{
    assert(size <= queue->bytes);
    queue->bytes -= size;
    queue->offset += size;
    while (queue->first != NULL && queue->offset >= block_bytes(queue->first)) {
        normd_out_block *block = queue->first;
        queue->offset -= block_bytes(block);
        queue->first = block->next;
        if (queue->first == NULL) {
            queue->last = NULL;
            queue->open = NULL;
        }
        block->release(block);
    }
}
