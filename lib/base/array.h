// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_BASE_ARRAY_H
#define NORMD_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

enum {
    NORMD_MAX_RANK = 8,
    /* Batches, parameters and their copies start on a cache line. */
    NORMD_ALIGNMENT = 64,
};

/* The element types, once: (name, wire name, bytes, what people call it, safetensors name). */
#define NORMD_DTYPE_MAP(X)                                                                         \
    X(F32, "<f4", 4, "float32", "F32")                                                             \
    X(F64, "<f8", 8, "float64", "F64")                                                             \
    X(F16, "<f2", 2, "float16", "F16")                                                             \
    X(BOOL, "|b1", 1, "bool", "BOOL")                                                              \
    X(I8, "|i1", 1, "int8", "I8")                                                                  \
    X(I16, "<i2", 2, "int16", "I16")                                                               \
    X(I32, "<i4", 4, "int32", "I32")                                                               \
    X(I64, "<i8", 8, "int64", "I64")                                                               \
    X(U8, "|u1", 1, "uint8", "U8")                                                                 \
    X(U16, "<u2", 2, "uint16", "U16")                                                              \
    X(U32, "<u4", 4, "uint32", "U32")                                                              \
    X(U64, "<u8", 8, "uint64", "U64")

typedef enum normd_dtype {
#define NORMD_DTYPE_ENUM(name, wire, bytes, title, safetensors) NORMD_##name,
    NORMD_DTYPE_MAP(NORMD_DTYPE_ENUM)
#undef NORMD_DTYPE_ENUM
        NORMD_DTYPE_COUNT
} normd_dtype;

/* Bytes of one element. */
size_t normd_dtype_size(normd_dtype dtype);
/* NumPy's type string as it goes over the wire ("<f4"). */
const char *normd_dtype_wire_name(normd_dtype dtype);
/* The name for people and options ("float32"). */
const char *normd_dtype_title(normd_dtype dtype);
/* The name in a safetensors header ("F32"). */
const char *normd_dtype_safetensors_name(normd_dtype dtype);
/* Each returns false when the text (of `length` bytes) names no type. The wire form takes "=", "<"
   and "|" prefixes alike where the byte order does not matter. */
bool normd_dtype_parse_wire(const char *text, size_t length, normd_dtype *dtype);
bool normd_dtype_parse_title(const char *text, normd_dtype *dtype);
bool normd_dtype_parse_safetensors(const char *text, normd_dtype *dtype);
bool normd_dtype_is_float(normd_dtype dtype);

/* The extent of each axis, outermost first. Rank 0 is a scalar. */
typedef struct normd_shape {
    uint32_t rank;
    size_t dim[NORMD_MAX_RANK];
} normd_shape;

/* A view of dense row-major elements; it owns nothing. `data` may be unaligned only where a
   function says so. */
typedef struct normd_array {
    normd_dtype dtype;
    normd_shape shape;
    void *data;
} normd_array;

/* The number of elements (1 for a scalar); false when the product or the product times 8 bytes
   overflows size_t. */
bool normd_shape_elements(const normd_shape *shape, size_t *elements);
bool normd_shape_equal(const normd_shape *a, const normd_shape *b);
/* Writes "(32, 256)" into `text`; always terminated. Returns `text`. */
const char *normd_shape_format(const normd_shape *shape, char *text, size_t size);
enum { NORMD_SHAPE_TEXT_BYTES = 192 };

/* Elements and bytes of an array whose shape was checked before (they cannot overflow). */
size_t normd_array_elements(const normd_array *array);
size_t normd_array_bytes(const normd_array *array);

#endif
