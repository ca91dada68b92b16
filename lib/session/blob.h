// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_BLOB_H
#define NORMD_SESSION_BLOB_H

#include <stdatomic.h>
#include <stddef.h>

/* Counted bytes that never change once they are filled. Any thread. */
typedef struct normd_blob {
    atomic_size_t references;
    size_t size;
    _Alignas(16) char data[];
} normd_blob;

/* One reference, the caller's; a copy of `data`, or not filled where that is NULL. NULL when out of
   memory. */
normd_blob *normd_blob_create(const void *data, size_t size);
/* NULL is let pass. */
normd_blob *normd_blob_retain(normd_blob *blob);
void normd_blob_release(normd_blob *blob);

#endif
