// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_EXCHANGE_NPY_H
#define NORMD_EXCHANGE_NPY_H

#include "lib/base/array.h"

/*
 * The .npy format of NumPy (numpy.lib.format, versions 1 to 3): a magic string, the length of the
 * header, the header (a Python dictionary of descr, fortran_order and shape), the elements. Reading
 * checks everything, since files come from outside.
 */
enum { NORMD_NPY_HEADER_BYTES = 512 }; /* that no header of ours is longer than */

/* A file of `size` bytes, which must stay. `array` becomes a view of its elements (maybe
   unaligned); with *fortran the first index runs fastest. Refused: other types than little-endian
   floats, integers and bool; more than 8 axes; sizes that do not fit the shape. BAD_ARGUMENT,
   message starting with "data: array \"name\": ". */
normd_status normd_npy_read(const char *name, const void *file, size_t size, normd_array *array,
    bool *fortran, normd_error *error);

/* Writes the header of a version 1 file with this array, padded to a multiple of 64 bytes as NumPy
   does; returns its length. */
size_t normd_npy_write_header(const normd_array *array, char header[NORMD_NPY_HEADER_BYTES]);

#endif
