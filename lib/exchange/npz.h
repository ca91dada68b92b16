// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_EXCHANGE_NPZ_H
#define NORMD_EXCHANGE_NPZ_H

#include "lib/base/array.h"
#include "lib/exchange/named_array.h"
#include "lib/memory/buffer.h"

/*
 * The .npz format of NumPy: a zip archive of .npy files, one an array, as numpy.savez and
 * savez_compressed write it. Archives come from outside: nothing in one is believed before it is
 * checked, and nothing is unpacked beyond the bytes that the reader allows.
 */
typedef struct normd_npz normd_npz;

/* Whether a file of these bytes is a zip archive, by its first bytes. */
bool normd_npz_detect(const void *file, size_t size);

/* Opens an archive of `size` bytes, which must stay. Refused: what is no zip archive, members that
   are no .npy files by their names, two of one name, more than 65,535 of them. BAD_ARGUMENT,
   message starting with "data: ". */
normd_status normd_npz_open(const void *file, size_t size, normd_npz **npz, normd_error *error);
void normd_npz_close(normd_npz *npz);

size_t normd_npz_count(const normd_npz *npz);
/* The i-th member in the archive's order, without ".npy". */
const char *normd_npz_name(const normd_npz *npz, size_t index);
/* False when there is no array of this name. */
bool normd_npz_find(const normd_npz *npz, const char *name, size_t *index);

/* Unpacks one array, row-major whatever its order in the file; the view lives until the next call
   or close, and may be unaligned. TOO_LARGE, before anything is unpacked, when the member is longer
   than `most` bytes; BAD_ARGUMENT, INTERNAL. */
normd_status normd_npz_read(
    normd_npz *npz, size_t index, size_t most, normd_array *array, normd_error *error);

/* Writes an archive with the arrays in the given order, not compressed, as numpy.savez does; the
   same bytes for the same arrays. TOO_LARGE when it would have more than `limit` bytes (0: no
   limit). */
normd_status normd_npz_write(normd_buffer_cache *cache, const normd_named_array *arrays,
    size_t count, size_t limit, normd_buffer **file, normd_error *error);

#endif
