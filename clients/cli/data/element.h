// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_DATA_ELEMENT_H
#define NORMD_CLIENTS_CLI_DATA_ELEMENT_H

#include <stddef.h>

#include "lib/base/array.h"

/* Element `index` of an aligned array of any type, as a double. 64-bit integers beyond 2^53 are
   rounded. */
double normd_element_load(const normd_array *array, size_t index);
/* Stores into an array of F32 or F64. */
void normd_element_store(normd_array *array, size_t index, double value);
/* Index of the greatest of `count` elements from `begin` on; the first of equal ones. */
size_t normd_element_argmax(const normd_array *array, size_t begin, size_t count);

#endif
