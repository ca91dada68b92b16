// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MEMORY_BUFFER_H
#define NORMD_MEMORY_BUFFER_H

#include <stddef.h>

#include "lib/base/array.h"

/*
 * Aligned memory that is handed along with a request: one owner at a time, given back on one path.
 * A cache keeps returned buffers by size class, so that a steady state allocates nothing. Large
 * buffers have huge pages. All functions may be called from any thread.
 */
typedef struct normd_buffer_cache normd_buffer_cache;

typedef struct normd_buffer {
    void *data;      /* aligned to NORMD_ALIGNMENT; from 64 KiB on to 4 KiB, from NORMD_HUGE_PAGE on
                        to that; never NULL */
    size_t size;     /* bytes asked for */
    size_t capacity; /* bytes there; what is resident is never more */
    normd_buffer_cache *home;
    /* The cache's; not the owner's: */
    struct normd_buffer *next;
    unsigned class_index;
} normd_buffer;

/* `keep_bytes` bounds what the cache holds of unused memory. NULL when out of memory. */
normd_buffer_cache *normd_buffer_cache_create(size_t keep_bytes);
/* Every buffer must have been given back. NULL is let pass. */
void normd_buffer_cache_destroy(normd_buffer_cache *cache);
/* Bytes of all buffers that are out with an owner, for budgets and server.info. */
size_t normd_buffer_cache_bytes_out(normd_buffer_cache *cache);

/* A buffer of at least `size` bytes (0 is allowed), contents undefined; NULL when out of memory. */
normd_buffer *normd_buffer_take(normd_buffer_cache *cache, size_t size);
/* Gives it back; NULL is let pass. */
void normd_buffer_release(normd_buffer *buffer);

/* An array together with the buffer that its data lies in: what moves from the connection into
   the session and back out as the answer. */
typedef struct normd_tensor {
    normd_array array;
    normd_buffer *buffer;
} normd_tensor;

/* Takes a buffer for a tensor of this type and shape. INTERNAL when out of memory, TOO_LARGE when
   the size overflows. */
normd_status normd_tensor_take(normd_buffer_cache *cache, normd_dtype dtype,
    const normd_shape *shape, normd_tensor *tensor, normd_error *error);
/* Releases the buffer and clears the tensor; a cleared one is let pass. */
void normd_tensor_release(normd_tensor *tensor);

#endif
