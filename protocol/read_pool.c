// SPDX-License-Identifier: Apache-2.0
#include "protocol/read_pool.h"

#include <stdlib.h>

normd_read_buffer *normd_read_pool_take(normd_read_pool *pool)
{
    normd_read_buffer *buffer = pool->free;
    if (buffer == NULL) {
        return malloc(sizeof *buffer);
    }
    pool->free = buffer->next;
    pool->count--;
    return buffer;
}

void normd_read_pool_give(normd_read_pool *pool, normd_read_buffer *buffer)
{
    if (buffer == NULL || pool->count == NORMD_READ_BUFFERS_KEPT) {
        free(buffer);
        return;
    }
    buffer->next = pool->free;
    pool->free = buffer;
    pool->count++;
}

void normd_read_pool_clear(normd_read_pool *pool)
{
    while (pool->free != NULL) {
        normd_read_buffer *buffer = pool->free;
        pool->free = buffer->next;
        free(buffer);
    }
    pool->count = 0;
}
