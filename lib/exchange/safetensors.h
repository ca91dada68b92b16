// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_EXCHANGE_SAFETENSORS_H
#define NORMD_EXCHANGE_SAFETENSORS_H

#include <jansson.h>

#include "lib/base/array.h"
#include "lib/exchange/named_array.h"
#include "lib/memory/buffer.h"

/*
 * safetensors: 8 bytes header length (little-endian), a JSON header padded with spaces to 8 bytes,
 * then the tensors without holes. Reading checks everything (the file comes from outside); writing
 * gives the same bytes for the same tensors.
 */
typedef struct normd_safetensors normd_safetensors;

/* The header of a file of `size` bytes, which must stay. Refuses: a header over 100,000,000 bytes,
   duplicate names, unknown types, ranges outside the file, overlaps, holes, sizes that do not fit
   the shape, metadata that is not text. BAD_ARGUMENT, message starting with "data: ". */
normd_status normd_safetensors_open(
    const void *file, size_t size, normd_safetensors **tensors, normd_error *error);
void normd_safetensors_close(normd_safetensors *tensors);

size_t normd_safetensors_count(const normd_safetensors *tensors);
/* The i-th tensor in the header's order: its name, and a view into the file (maybe unaligned). */
const char *normd_safetensors_name(const normd_safetensors *tensors, size_t index);
normd_array normd_safetensors_array(const normd_safetensors *tensors, size_t index);
/* False when there is no tensor of this name. */
bool normd_safetensors_find(const normd_safetensors *tensors, const char *name, normd_array *array);
/* An entry of __metadata__, or NULL. */
const char *normd_safetensors_metadata(const normd_safetensors *tensors, const char *key);

/* Writes a file with the arrays in the given order. `metadata` (or NULL): a map of strings.
   TOO_LARGE when the file would have more than `limit` bytes (0: no limit). */
normd_status normd_safetensors_write(normd_buffer_cache *cache, const normd_named_array *arrays,
    size_t count, const json_t *metadata, size_t limit, normd_buffer **file, normd_error *error);

#endif
