// SPDX-License-Identifier: Apache-2.0
#include "lib/base/array.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

typedef struct dtype_row {
    const char *wire;
    const char *title;
    const char *safetensors;
    size_t size;
} dtype_row;

static const dtype_row dtype_rows[NORMD_DTYPE_COUNT] = {
#define DTYPE_ROW(name, wire, bytes, title, safetensors)                                           \
    [NORMD_##name] = {wire, title, safetensors, bytes},
    NORMD_DTYPE_MAP(DTYPE_ROW)
#undef DTYPE_ROW
};

size_t normd_dtype_size(normd_dtype dtype)
{
    return dtype_rows[dtype].size;
}

const char *normd_dtype_wire_name(normd_dtype dtype)
{
    return dtype_rows[dtype].wire;
}

const char *normd_dtype_title(normd_dtype dtype)
{
    return dtype_rows[dtype].title;
}

const char *normd_dtype_safetensors_name(normd_dtype dtype)
{
    return dtype_rows[dtype].safetensors;
}

bool normd_dtype_parse_wire(const char *text, size_t length, normd_dtype *dtype)
{
    if (length != 3) {
        return false;
    }
    for (int i = 0; i < NORMD_DTYPE_COUNT; i++) {
        const dtype_row *row = &dtype_rows[i];
        bool order = text[0] == row->wire[0] || text[0] == '=' ||
                     (row->size == 1 && (text[0] == '<' || text[0] == '>'));
        if (order && text[1] == row->wire[1] && text[2] == row->wire[2]) {
            *dtype = (normd_dtype)i;
            return true;
        }
    }
    return false;
}

bool normd_dtype_parse_title(const char *text, normd_dtype *dtype)
{
    for (int i = 0; i < NORMD_DTYPE_COUNT; i++) {
        if (strcmp(dtype_rows[i].title, text) == 0) {
            *dtype = (normd_dtype)i;
            return true;
        }
    }
    return false;
}

bool normd_dtype_parse_safetensors(const char *text, normd_dtype *dtype)
{
    for (int i = 0; i < NORMD_DTYPE_COUNT; i++) {
        if (strcmp(dtype_rows[i].safetensors, text) == 0) {
            *dtype = (normd_dtype)i;
            return true;
        }
    }
    return false;
}

bool normd_dtype_is_float(normd_dtype dtype)
{
    return dtype == NORMD_F32 || dtype == NORMD_F64 || dtype == NORMD_F16;
}

bool normd_shape_elements(const normd_shape *shape, size_t *elements)
{
    size_t product = 1;
    for (uint32_t axis = 0; axis < shape->rank; axis++) {
        if (__builtin_mul_overflow(product, shape->dim[axis], &product)) {
            return false;
        }
    }
    size_t bytes;
    if (__builtin_mul_overflow(product, (size_t)8, &bytes)) {
        return false;
    }
    *elements = product;
    return true;
}

bool normd_shape_equal(const normd_shape *a, const normd_shape *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) == 0;
}

const char *normd_shape_format(const normd_shape *shape, char *text, size_t size)
{
    assert(size > 0);
    size_t used = (size_t)snprintf(text, size, "(");
    for (uint32_t axis = 0; axis < shape->rank && used < size; axis++) {
        const char *separator = axis + 1 < shape->rank ? ", " : shape->rank == 1 ? "," : "";
        int wrote = snprintf(text + used, size - used, "%zu%s", shape->dim[axis], separator);
        used += (size_t)wrote;
    }
    if (used < size) {
        snprintf(text + used, size - used, ")");
    }
    return text;
}

size_t normd_array_elements(const normd_array *array)
{
    size_t elements = 0;
    bool fits = normd_shape_elements(&array->shape, &elements);
    assert(fits);
    (void)fits;
    return elements;
}

size_t normd_array_bytes(const normd_array *array)
{
    return normd_array_elements(array) * normd_dtype_size(array->dtype);
}
