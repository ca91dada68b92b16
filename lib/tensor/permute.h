// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TENSOR_PERMUTE_H
#define NORMD_TENSOR_PERMUTE_H

#include "lib/base/array.h"

/*
 * The same array with its axes in another order: axis i of the permuted array is axis axes[i] of
 * the original one, as in numpy.transpose(original, axes). NULL stands for the order as it is.
 */
normd_shape normd_permute_shape(const normd_shape *shape, const uint8_t *axes);

/* Where element n of the permuted array lies in the original one of this shape. */
size_t normd_permute_place(const normd_shape *shape, const uint8_t *axes, size_t n);

/* Copies elements of `size` bytes from the original array, of this shape, to the permuted one, and
   back. The arrays may be unaligned and must not overlap. */
void normd_permute_values(const normd_shape *shape, const uint8_t *axes, size_t size,
    const void *original, void *permuted);
void normd_permute_back(const normd_shape *shape, const uint8_t *axes, size_t size,
    const void *permuted, void *original);

#endif
