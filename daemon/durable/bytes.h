// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_DURABLE_BYTES_H
#define NORMD_DAEMON_DURABLE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * Numbers in what the store keeps: little-endian, unaligned. Writing goes into a buffer that grows
 * and remembers when memory ran out; reading goes along a cursor that remembers when bytes were
 * missing, so that one look at the end is enough.
 */
typedef struct normd_bytes {
    uint8_t *data;
    size_t size, capacity;
    bool failed;
} normd_bytes;

/* Room for `size` more bytes, not yet set; NULL when out of memory. */
static inline void *normd_bytes_grow(normd_bytes *bytes, size_t size)
{
    if (bytes->failed || size > bytes->capacity - bytes->size) {
        size_t capacity = bytes->capacity < 256 ? 256 : bytes->capacity;
        while (capacity - bytes->size < size && capacity < SIZE_MAX / 2) {
            capacity *= 2;
        }
        void *grown =
            bytes->failed || capacity - bytes->size < size ? NULL : realloc(bytes->data, capacity);
        if (grown == NULL) {
            bytes->failed = true;
            return NULL;
        }
        bytes->data = grown;
        bytes->capacity = capacity;
    }
    void *room = bytes->data + bytes->size;
    bytes->size += size;
    return room;
}

static inline void normd_bytes_put(normd_bytes *bytes, const void *data, size_t size)
{
    void *room = size > 0 ? normd_bytes_grow(bytes, size) : NULL;
    if (room != NULL) {
        memcpy(room, data, size);
    }
}

static inline void normd_bytes_put_u8(normd_bytes *bytes, uint8_t value)
{
    normd_bytes_put(bytes, &value, sizeof value);
}

static inline void normd_bytes_put_u32(normd_bytes *bytes, uint32_t value)
{
    value = htole32(value);
    normd_bytes_put(bytes, &value, sizeof value);
}

static inline void normd_bytes_put_u64(normd_bytes *bytes, uint64_t value)
{
    value = htole64(value);
    normd_bytes_put(bytes, &value, sizeof value);
}

/* A text with its length before it. */
static inline void normd_bytes_put_text(normd_bytes *bytes, const char *text, size_t size)
{
    normd_bytes_put_u32(bytes, (uint32_t)size);
    normd_bytes_put(bytes, text, size);
}

static inline void normd_bytes_free(normd_bytes *bytes)
{
    free(bytes->data);
    *bytes = (normd_bytes){.data = NULL};
}

/* A terminated copy of a text that is not; to be freed with free(). NULL when out of memory. */
static inline char *normd_bytes_copy_text(const void *text, size_t size)
{
    char *copy = malloc(size + 1);
    if (copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

typedef struct normd_cursor {
    const uint8_t *at;
    size_t left;
    bool failed;
} normd_cursor;

/* The next `size` bytes, where they lie; NULL when so many are not there. */
static inline const void *normd_cursor_take(normd_cursor *cursor, size_t size)
{
    if (cursor->failed || size > cursor->left) {
        cursor->failed = true;
        return NULL;
    }
    const uint8_t *taken = cursor->at;
    cursor->at += size;
    cursor->left -= size;
    return taken;
}

static inline uint8_t normd_cursor_u8(normd_cursor *cursor)
{
    const uint8_t *at = normd_cursor_take(cursor, 1);
    return at != NULL ? *at : 0;
}

static inline uint32_t normd_cursor_u32(normd_cursor *cursor)
{
    uint32_t value = 0;
    const void *at = normd_cursor_take(cursor, sizeof value);
    if (at != NULL) {
        memcpy(&value, at, sizeof value);
    }
    return le32toh(value);
}

static inline uint64_t normd_cursor_u64(normd_cursor *cursor)
{
    uint64_t value = 0;
    const void *at = normd_cursor_take(cursor, sizeof value);
    if (at != NULL) {
        memcpy(&value, at, sizeof value);
    }
    return le64toh(value);
}

/* A text and its length, where it lies, not terminated; NULL as above. */
static inline const char *normd_cursor_text(normd_cursor *cursor, size_t *size)
{
    *size = normd_cursor_u32(cursor);
    return normd_cursor_take(cursor, *size);
}

#endif
