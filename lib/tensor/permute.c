// SPDX-License-Identifier: Apache-2.0
#include "lib/tensor/permute.h"

#include <string.h>

normd_shape normd_permute_shape(const normd_shape *shape, const uint8_t *axes)
{
    normd_shape permuted = *shape;
    for (uint32_t axis = 0; axes != NULL && axis < shape->rank; axis++) {
        permuted.dim[axis] = shape->dim[axes[axis]];
    }
    return permuted;
}

size_t normd_permute_place(const normd_shape *shape, const uint8_t *axes, size_t n)
{
    if (axes == NULL) {
        return n;
    }
    size_t index[NORMD_MAX_RANK] = {0};
    for (uint32_t axis = shape->rank; axis-- > 0;) {
        size_t extent = shape->dim[axes[axis]];
        index[axes[axis]] = n % extent;
        n /= extent;
    }
    size_t place = 0;
    for (uint32_t axis = 0; axis < shape->rank; axis++) {
        place = place * shape->dim[axis] + index[axis];
    }
    return place;
}

static size_t elements_of(const normd_shape *shape)
{
    normd_array view = {.dtype = NORMD_U8, .shape = *shape};
    return normd_array_elements(&view);
}

void normd_permute_values(const normd_shape *shape, const uint8_t *axes, size_t size,
    const void *original, void *permuted)
{
    size_t count = elements_of(shape);
    for (size_t n = 0; n < count; n++) {
        size_t place = normd_permute_place(shape, axes, n);
        memcpy((char *)permuted + n * size, (const char *)original + place * size, size);
    }
}

void normd_permute_back(const normd_shape *shape, const uint8_t *axes, size_t size,
    const void *permuted, void *original)
{
    size_t count = elements_of(shape);
    for (size_t n = 0; n < count; n++) {
        size_t place = normd_permute_place(shape, axes, n);
        memcpy((char *)original + place * size, (const char *)permuted + n * size, size);
    }
}
