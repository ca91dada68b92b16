// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_DATA_NPY_H
#define NORMD_CLIENTS_CLI_DATA_NPY_H

#include <stdio.h>

#include "lib/base/array.h"

/* Reads a .npy file (format 1, 2 or 3, little-endian) of one of normd's types; what is
   in Fortran order is put into C order. BAD_ARGUMENT with "file: ..." otherwise. On OK
   `array->data` is aligned and the caller frees it with free(). */
normd_status normd_npy_read(const char *path, normd_array *array, normd_error *error);

/* The header of a .npy file in format 1 for what follows: (rows, columns) elements, or (rows) when
   `rank` is 1. The elements come behind it. False when writing failed. */
bool normd_npy_write_header(FILE *file, normd_dtype dtype, const normd_shape *shape);

#endif
