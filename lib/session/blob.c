// SPDX-License-Identifier: Apache-2.0
#include "lib/session/blob.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

normd_blob *normd_blob_create(const void *data, size_t size)
{
    if (size > SIZE_MAX - sizeof(normd_blob)) {
        return NULL;
    }
    normd_blob *blob = malloc(sizeof *blob + size);
    if (blob == NULL) {
        return NULL;
    }
    atomic_init(&blob->references, 1);
    blob->size = size;
    if (data != NULL) {
        memcpy(blob->data, data, size);
    }
    return blob;
}

normd_blob *normd_blob_retain(normd_blob *blob)
{
    if (blob != NULL) {
        atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
    }
    return blob;
}

void normd_blob_release(normd_blob *blob)
{
    if (blob != NULL &&
        atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel) == 1) {
        free(blob);
    }
}
