// SPDX-License-Identifier: Apache-2.0
#include "lib/memory/buffer.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory/pages.h"

enum {
    /* Classes grow by a quarter of a power of two, so that at most a fifth of a buffer is unused.
     */
    CLASSES_PER_DOUBLING = 4,
    SMALLEST_SHIFT = 6,
    CLASS_COUNT = (48 - SMALLEST_SHIFT) * CLASSES_PER_DOUBLING,
    PAGE = 4 << 10,
    LEAST_PAGED = 16 * PAGE, /* smaller ones would waste too much */
};

struct normd_buffer_cache {
    pthread_mutex_t lock;
    size_t keep_bytes;
    size_t kept_bytes;
    size_t bytes_out;
    normd_buffer *free[CLASS_COUNT];
};

/* The capacity of a class: (1 + quarter/4) * 2^doubling, a multiple of NORMD_ALIGNMENT. */
static size_t class_capacity(unsigned index)
{
    unsigned doubling = index / CLASSES_PER_DOUBLING + SMALLEST_SHIFT;
    size_t quarter = index % CLASSES_PER_DOUBLING;
    size_t capacity = ((size_t)1 << doubling) + (quarter << doubling) / CLASSES_PER_DOUBLING;
    return (capacity + NORMD_ALIGNMENT - 1) / NORMD_ALIGNMENT * NORMD_ALIGNMENT;
}

/* The class for `size`: the smallest that holds it, but for rounding. CLASS_COUNT or more: none. */
static unsigned class_of(size_t size)
{
    if (size <= (size_t)1 << SMALLEST_SHIFT) {
        return 0;
    }
    /* size is in (2^doubling, 2^(doubling+1)]; `quarter` full quarters lie below it. */
    unsigned doubling = 63u - (unsigned)__builtin_clzll(size - 1);
    size_t quarter = ((size - 1) >> (doubling - 2)) - CLASSES_PER_DOUBLING;
    return (doubling - SMALLEST_SHIFT) * CLASSES_PER_DOUBLING + (unsigned)quarter + 1;
}

/*
 * From a huge page on the system is asked: classes are whole pages there. Arrays of some size begin
 * on a page, because processors compare the last twelve bits of addresses first: where y lies a
 * line behind x by those bits, each load of x waits for the store to y before it, and a loop over
 * both takes up to half as long again. Arrays that begin alike never lie so.
 */
static void *data_allocate(size_t capacity)
{
    if (capacity >= NORMD_HUGE_PAGE) {
        return normd_pages_take(capacity);
    }
    return aligned_alloc(capacity >= LEAST_PAGED ? PAGE : NORMD_ALIGNMENT, capacity);
}

/* Frees the buffer and its data, which goes back to the system when it is large. */
static void buffer_free(normd_buffer *buffer)
{
    if (buffer->capacity < NORMD_HUGE_PAGE) {
        free(buffer->data);
    } else {
        normd_pages_give(buffer->data, buffer->capacity);
    }
    free(buffer);
}

normd_buffer_cache *normd_buffer_cache_create(size_t keep_bytes)
{
    normd_buffer_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&cache->lock, NULL) != 0) {
        free(cache);
        return NULL;
    }
    cache->keep_bytes = keep_bytes;
    return cache;
}

void normd_buffer_cache_destroy(normd_buffer_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    assert(cache->bytes_out == 0);
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        for (normd_buffer *buffer = cache->free[i]; buffer != NULL;) {
            normd_buffer *next = buffer->next;
            buffer_free(buffer);
            buffer = next;
        }
    }
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

size_t normd_buffer_cache_bytes_out(normd_buffer_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    size_t bytes = cache->bytes_out;
    pthread_mutex_unlock(&cache->lock);
    return bytes;
}

static normd_buffer *buffer_allocate(normd_buffer_cache *cache, size_t capacity)
{
    normd_buffer *buffer = malloc(sizeof *buffer);
    void *data = buffer != NULL ? data_allocate(capacity) : NULL;
    if (data == NULL) {
        free(buffer);
        return NULL;
    }
    *buffer = (normd_buffer){.data = data, .capacity = capacity, .home = cache};
    return buffer;
}

normd_buffer *normd_buffer_take(normd_buffer_cache *cache, size_t size)
{
    unsigned index = class_of(size);
    if (index >= CLASS_COUNT) {
        return NULL;
    }
    size_t capacity = class_capacity(index);
    pthread_mutex_lock(&cache->lock);
    normd_buffer *buffer = cache->free[index];
    if (buffer != NULL) {
        cache->free[index] = buffer->next;
        cache->kept_bytes -= capacity;
    }
    cache->bytes_out += capacity;
    pthread_mutex_unlock(&cache->lock);
    if (buffer == NULL) {
        buffer = buffer_allocate(cache, capacity);
    }
    if (buffer == NULL) {
        pthread_mutex_lock(&cache->lock);
        cache->bytes_out -= capacity;
        pthread_mutex_unlock(&cache->lock);
        return NULL;
    }
    buffer->size = size;
    buffer->class_index = index;
    buffer->next = NULL;
    return buffer;
}

void normd_buffer_release(normd_buffer *buffer)
{
    if (buffer == NULL) {
        return;
    }
    normd_buffer_cache *cache = buffer->home;
    unsigned index = buffer->class_index;
    pthread_mutex_lock(&cache->lock);
    cache->bytes_out -= buffer->capacity;
    bool keep = cache->kept_bytes + buffer->capacity <= cache->keep_bytes;
    if (keep) {
        buffer->next = cache->free[index];
        cache->free[index] = buffer;
        cache->kept_bytes += buffer->capacity;
    }
    pthread_mutex_unlock(&cache->lock);
    if (!keep) {
        buffer_free(buffer);
    }
}

normd_status normd_tensor_take(normd_buffer_cache *cache, normd_dtype dtype,
    const normd_shape *shape, normd_tensor *tensor, normd_error *error)
{
    *tensor = (normd_tensor){.array = {.dtype = dtype, .shape = *shape}};
    size_t elements;
    if (!normd_shape_elements(shape, &elements)) {
        char text[NORMD_SHAPE_TEXT_BYTES];
        return normd_error_set(error, NORMD_TOO_LARGE,
            "an array of shape %s does not fit in memory",
            normd_shape_format(shape, text, sizeof text));
    }
    tensor->buffer = normd_buffer_take(cache, elements * normd_dtype_size(dtype));
    if (tensor->buffer == NULL) {
        return normd_error_no_memory(error);
    }
    tensor->array.data = tensor->buffer->data;
    return NORMD_OK;
}

void normd_tensor_release(normd_tensor *tensor)
{
    normd_buffer_release(tensor->buffer);
    *tensor = (normd_tensor){.buffer = NULL};
}
