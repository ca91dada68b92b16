// SPDX-License-Identifier: Apache-2.0
#include "lib/tensor/convert.h"

#include <assert.h>
#include <string.h>

#include "lib/kernels/half.h"

/* One value of each type from bytes that may lie anywhere. */
#define DEFINE_LOAD(name, type)                                                                    \
    static inline type load_##name(const unsigned char *from)                                      \
    {                                                                                              \
        type value;                                                                                \
        memcpy(&value, from, sizeof value);                                                        \
        return value;                                                                              \
    }
DEFINE_LOAD(f32, float)
DEFINE_LOAD(f64, double)
DEFINE_LOAD(i8, int8_t)
DEFINE_LOAD(i16, int16_t)
DEFINE_LOAD(i32, int32_t)
DEFINE_LOAD(i64, int64_t)
DEFINE_LOAD(u8, uint8_t)
DEFINE_LOAD(u16, uint16_t)
DEFINE_LOAD(u32, uint32_t)
DEFINE_LOAD(u64, uint64_t)
#undef DEFINE_LOAD

static inline float load_f16(const unsigned char *from)
{
    return normd_f16_widen(load_u16(from));
}

/* The types that values come in: (dtype, how to load one, bytes of one). */
#define SOURCE_MAP(X)                                                                              \
    X(F32, f32, 4)                                                                                 \
    X(F64, f64, 8)                                                                                 \
    X(F16, f16, 2)                                                                                 \
    X(I8, i8, 1)                                                                                   \
    X(I16, i16, 2)                                                                                 \
    X(I32, i32, 4)                                                                                 \
    X(I64, i64, 8)                                                                                 \
    X(U8, u8, 1)                                                                                   \
    X(U16, u16, 2)                                                                                 \
    X(U32, u32, 4)                                                                                 \
    X(U64, u64, 8)

#define DEFINE_CONVERT(dtype, name, bytes)                                                         \
    static void name##_to_float(const void *from, void *to, size_t count)                          \
    {                                                                                              \
        const unsigned char *restrict in = from;                                                   \
        float *restrict out = to;                                                                  \
        for (size_t i = 0; i < count; i++) {                                                       \
            out[i] = (float)load_##name(in + (bytes)*i);                                           \
        }                                                                                          \
    }                                                                                              \
    static void name##_to_double(const void *from, void *to, size_t count)                         \
    {                                                                                              \
        const unsigned char *restrict in = from;                                                   \
        double *restrict out = to;                                                                 \
        for (size_t i = 0; i < count; i++) {                                                       \
            out[i] = (double)load_##name(in + (bytes)*i);                                          \
        }                                                                                          \
    }
SOURCE_MAP(DEFINE_CONVERT)
#undef DEFINE_CONVERT

typedef void convert_function(const void *from, void *to, size_t count);

static convert_function *const to_float[NORMD_DTYPE_COUNT] = {
#define FLOAT_ROW(dtype, name, bytes) [NORMD_##dtype] = name##_to_float,
    SOURCE_MAP(FLOAT_ROW)
#undef FLOAT_ROW
};

static convert_function *const to_double[NORMD_DTYPE_COUNT] = {
#define DOUBLE_ROW(dtype, name, bytes) [NORMD_##dtype] = name##_to_double,
    SOURCE_MAP(DOUBLE_ROW)
#undef DOUBLE_ROW
};

void normd_convert_values(
    normd_dtype from_type, const void *from, normd_dtype to_type, void *to, size_t count)
{
    assert(to_type == NORMD_F32 || to_type == NORMD_F64);
    assert(from_type < NORMD_DTYPE_COUNT && to_float[from_type] != NULL);
    if (count == 0) {
        return;
    }
    if (from_type == to_type) {
        memcpy(to, from, count * normd_dtype_size(to_type));
    } else if (to_type == NORMD_F32) {
        to_float[from_type](from, to, count);
    } else {
        to_double[from_type](from, to, count);
    }
}

#define DEFINE_LABELS(dtype, name, bytes)                                                          \
    static void name##_labels(const unsigned char *restrict from, int64_t *restrict to, size_t n)  \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            to[i] = (int64_t)load_##name(from + (bytes)*i);                                        \
        }                                                                                          \
    }
DEFINE_LABELS(I8, i8, 1)
DEFINE_LABELS(I16, i16, 2)
DEFINE_LABELS(I32, i32, 4)
DEFINE_LABELS(I64, i64, 8)
DEFINE_LABELS(U8, u8, 1)
DEFINE_LABELS(U16, u16, 2)
DEFINE_LABELS(U32, u32, 4)
#undef DEFINE_LABELS

static bool u64_labels(const unsigned char *from, int64_t *to, size_t count)
{
    uint64_t all_bits = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t label = load_u64(from + 8 * i);
        all_bits |= label;
        to[i] = (int64_t)(label & INT64_MAX);
    }
    return all_bits <= INT64_MAX;
}

bool normd_convert_labels(const normd_array *labels, int64_t *to)
{
    size_t count = normd_array_elements(labels);
    const unsigned char *from = labels->data;
    switch (labels->dtype) {
    case NORMD_I8:
        i8_labels(from, to, count);
        return true;
    case NORMD_I16:
        i16_labels(from, to, count);
        return true;
    case NORMD_I32:
        i32_labels(from, to, count);
        return true;
    case NORMD_I64:
        i64_labels(from, to, count);
        return true;
    case NORMD_U8:
        u8_labels(from, to, count);
        return true;
    case NORMD_U16:
        u16_labels(from, to, count);
        return true;
    case NORMD_U32:
        u32_labels(from, to, count);
        return true;
    case NORMD_U64:
        return u64_labels(from, to, count);
    default:
        assert(false && "labels are integers");
        return false;
    }
}
