// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TENSOR_CONVERT_H
#define NORMD_TENSOR_CONVERT_H

#include "lib/base/array.h"

/* Copies `count` values into another type. From any float or integer type, unaligned or not, to F32
   or F64 (rounded to nearest even). from and to may not overlap. */
void normd_convert_values(
    normd_dtype from_type, const void *from, normd_dtype to_type, void *to, size_t count);

/* Reads integer labels of any integer type (unaligned or not) as int64. False when a uint64 does
   not fit. */
bool normd_convert_labels(const normd_array *labels, int64_t *to);

#endif
