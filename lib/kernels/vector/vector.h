// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_VECTOR_VECTOR_H
#define NORMD_KERNELS_VECTOR_VECTOR_H

#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "lib/kernels/element.h"

/*
 * Vectors of the machine's own width; the build defines NORMD_VECTOR_BYTES for each row of the
 * table. Bits do not depend on the width, since no operation crosses lanes.
 *
 * GCC's and Clang's vector types carry the arithmetic. Intrinsics stand only where the compilers
 * take several instructions for what the machine does in one.
 */
enum {
    WIDTH = NORMD_VECTOR_BYTES / (int)sizeof(real), /* reals in a vector */
    DOUBLES = NORMD_VECTOR_BYTES / (int)sizeof(double),
    STORE_BYTES = WIDTH * (int)sizeof(element), /* of a vector of reals once it is narrowed */
};

#define NORMD_INLINE static inline __attribute__((always_inline))
#define NORMD_VECTOR(type, bytes) type __attribute__((vector_size(bytes)))

typedef NORMD_VECTOR(real, NORMD_VECTOR_BYTES) real_vector;
typedef NORMD_VECTOR(double, NORMD_VECTOR_BYTES) double_vector;
/* Half a vector of floats, or a whole one of doubles: as many reals as a double_vector has. */
typedef NORMD_VECTOR(real, NORMD_VECTOR_BYTES / 8 * NORMD_REAL_BITS / 8) narrow_vector;

/* All bits one where something holds, else zero: what a comparison gives. */
#if NORMD_REAL_BITS == 64
typedef int64_t real_mask_lane;
#else
typedef int32_t real_mask_lane;
#endif
typedef NORMD_VECTOR(real_mask_lane, NORMD_VECTOR_BYTES) real_mask;
typedef NORMD_VECTOR(real_mask_lane, NORMD_VECTOR_BYTES / 8 * NORMD_REAL_BITS / 8) narrow_mask;

/* Before a loop whose rounds do not touch each other's memory. */
#if defined(__clang__)
#define NORMD_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define NORMD_INDEPENDENT _Pragma("GCC ivdep")
#endif

#define NORMD_LOAD(type, from)                                                                     \
    ({                                                                                             \
        type loaded_;                                                                              \
        memcpy(&loaded_, from, sizeof loaded_);                                                    \
        loaded_;                                                                                   \
    })

#if defined(NORMD_TYPE_F16) || defined(NORMD_TYPE_BF16)

typedef NORMD_VECTOR(uint16_t, NORMD_VECTOR_BYTES / 2) half_vector;
typedef NORMD_VECTOR(uint32_t, NORMD_VECTOR_BYTES) half_bits;
typedef NORMD_VECTOR(uint16_t, NORMD_VECTOR_BYTES / 4) narrow_half_vector;
typedef NORMD_VECTOR(uint32_t, NORMD_VECTOR_BYTES / 2) narrow_half_bits;

#define NORMD_SELECT(mask, a, b) (((mask) & (a)) | (~(mask) & (b)))

/* The expressions of half.h, on vectors. `bits` and `floats` are vectors of uint32_t and float of
   one size. */
#if defined(NORMD_TYPE_BF16)
#define NORMD_WIDEN(floats, bits, half) ((floats)((half) << 16))
#else
#define NORMD_WIDEN(floats, bits, half)                                                            \
    ({                                                                                             \
        bits sign_ = ((half)&0x8000u) << 16, rest_ = ((half)&0x7fffu) << 13;                       \
        bits odd_ = 0x7f800000u | rest_ | ((bits)(rest_ > 0x0f800000u) & 0x400000u);               \
        bits finite_ = (bits)((floats)rest_ * 0x1p112f);                                           \
        (floats)(sign_ | NORMD_SELECT((bits)(rest_ >= 0x0f800000u), odd_, finite_));               \
    })
#endif

NORMD_INLINE half_bits narrow_bits(half_bits bits)
{
#if defined(NORMD_TYPE_BF16)
    half_bits nan = (half_bits)((real_vector)bits != (real_vector)bits);
    half_bits up = ~nan & ((bits >> 16 & 1u) + 0x7fffu);
    return (bits + up) >> 16 | (nan & 0x40u);
#else
    half_bits sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    half_bits normal = (rest + 0xc8000fffu + (rest >> 13 & 1u)) >> 13;
    half_bits small = (half_bits)((real_vector)rest + 0.5f) - 0x3f000000u;
    half_bits result = NORMD_SELECT((half_bits)(rest < 0x38800000u), small, normal);
    half_bits infinity = {0};
    infinity += 0x7c00u;
    half_bits nan = 0x7e00u | (rest >> 13 & 0x3ffu);
    result = NORMD_SELECT((half_bits)(rest >= 0x47800000u), infinity, result);
    result = NORMD_SELECT((half_bits)(rest > 0x7f800000u), nan, result);
    return sign | result;
#endif
}

NORMD_INLINE real_vector load(const element *from)
{
#if defined(NORMD_TYPE_F16) && NORMD_VECTOR_BYTES == 64
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)from));
#elif defined(NORMD_TYPE_F16) && defined(__F16C__)
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
#elif NORMD_VECTOR_BYTES == 64
    half_bits half =
        (half_bits)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)from));
    return NORMD_WIDEN(real_vector, half_bits, half);
#elif NORMD_VECTOR_BYTES == 32
    half_bits half =
        (half_bits)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));
    return NORMD_WIDEN(real_vector, half_bits, half);
#else
    half_bits half = __builtin_convertvector(NORMD_LOAD(half_vector, from), half_bits);
    return NORMD_WIDEN(real_vector, half_bits, half);
#endif
}

NORMD_INLINE narrow_vector load_narrow(const element *from)
{
#if defined(NORMD_TYPE_F16) && NORMD_VECTOR_BYTES == 64
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
#elif defined(NORMD_TYPE_F16) && defined(__F16C__)
    return _mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)(const void *)from));
#elif NORMD_VECTOR_BYTES == 64
    narrow_half_bits half = (narrow_half_bits)_mm256_cvtepu16_epi32(
        _mm_loadu_si128((const __m128i *)(const void *)from));
    return NORMD_WIDEN(narrow_vector, narrow_half_bits, half);
#elif NORMD_VECTOR_BYTES == 32
    narrow_half_bits half =
        (narrow_half_bits)_mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)(const void *)from));
    return NORMD_WIDEN(narrow_vector, narrow_half_bits, half);
#else
    narrow_half_bits half =
        __builtin_convertvector(NORMD_LOAD(narrow_half_vector, from), narrow_half_bits);
    return NORMD_WIDEN(narrow_vector, narrow_half_bits, half);
#endif
}

typedef half_vector stored_vector;

NORMD_INLINE stored_vector narrowed(real_vector vector)
{
#if defined(NORMD_TYPE_F16) && NORMD_VECTOR_BYTES == 64
    /* With a mask of its own: without optimization the plain one converts -1 to a mask, and warns.
     */
    return (stored_vector)_mm512_maskz_cvtps_ph(
        0xffff, vector, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(NORMD_TYPE_F16) && defined(__F16C__)
    return (stored_vector)_mm256_cvtps_ph(vector, _MM_FROUND_TO_NEAREST_INT);
#elif NORMD_VECTOR_BYTES == 64
    return (stored_vector)_mm512_cvtepi32_epi16((__m512i)narrow_bits((half_bits)vector));
#else
    return __builtin_convertvector(narrow_bits((half_bits)vector), half_vector);
#endif
}

#else

typedef real_vector stored_vector;

NORMD_INLINE real_vector load(const element *from)
{
    return NORMD_LOAD(real_vector, from);
}

NORMD_INLINE narrow_vector load_narrow(const element *from)
{
    return NORMD_LOAD(narrow_vector, from);
}

NORMD_INLINE stored_vector narrowed(real_vector vector)
{
    return vector;
}

#endif

/* Coefficients, which are stored as reals. */
NORMD_INLINE real_vector load_reals(const real *from)
{
    return NORMD_LOAD(real_vector, from);
}

NORMD_INLINE double_vector load_doubles(const double *from)
{
    return NORMD_LOAD(double_vector, from);
}

NORMD_INLINE void store_doubles(double *to, double_vector vector)
{
    memcpy(to, &vector, sizeof vector);
}

/* `value` in every lane. */
NORMD_INLINE real_vector real_vector_of(real value)
{
    return value - (real_vector){0};
}

NORMD_INLINE narrow_vector narrow_vector_of(real value)
{
    return value - (narrow_vector){0};
}

NORMD_INLINE double_vector doubles_of(narrow_vector vector)
{
#if NORMD_REAL_BITS == 32 && NORMD_VECTOR_BYTES == 64
    return _mm512_cvtps_pd(vector);
#elif NORMD_REAL_BITS == 32 && NORMD_VECTOR_BYTES == 16 && defined(__SSE2__)
    return _mm_cvtps_pd((__m128)__builtin_shufflevector(vector, vector, 0, 1, 0, 1));
#else
    return __builtin_convertvector(vector, double_vector);
#endif
}

/* sum + a b, where a and b are reals in double. The product of two floats has no rounding, so for
   them a fused multiply-add gives the same bits. */
NORMD_INLINE double_vector add_product(double_vector sum, double_vector a, double_vector b)
{
#if NORMD_REAL_BITS == 32 && NORMD_VECTOR_BYTES == 64
    return _mm512_fmadd_pd(a, b, sum);
#elif NORMD_REAL_BITS == 32 && NORMD_VECTOR_BYTES == 32
    return _mm256_fmadd_pd(a, b, sum);
#elif NORMD_REAL_BITS == 32 && defined(__ARM_NEON)
    return vfmaq_f64(sum, a, b);
#else
    return sum + a * b;
#endif
}

/* Zero where the mask is zero, whatever stood there. */
NORMD_INLINE narrow_vector narrow_where(narrow_mask mask, narrow_vector vector)
{
    return (narrow_vector)((narrow_mask)vector & mask);
}

NORMD_INLINE real_vector real_where(real_mask mask, real_vector vector)
{
    return (real_vector)((real_mask)vector & mask);
}

NORMD_INLINE real_vector real_select(real_mask mask, real_vector a, real_vector b)
{
    return (real_vector)(((real_mask)a & mask) | ((real_mask)b & ~mask));
}

/* The mask of neighbouring bytes: where they are not zero. */
NORMD_INLINE real_mask mask_of_bytes(const uint8_t *bytes)
{
    typedef NORMD_VECTOR(uint8_t, NORMD_VECTOR_BYTES * 8 / NORMD_REAL_BITS) byte_vector;
    real_mask wide = __builtin_convertvector(NORMD_LOAD(byte_vector, bytes), real_mask);
    return wide != 0;
}

NORMD_INLINE narrow_mask narrow_mask_of_bytes(const uint8_t *bytes)
{
    typedef NORMD_VECTOR(uint8_t, DOUBLES) byte_vector;
    narrow_mask wide = __builtin_convertvector(NORMD_LOAD(byte_vector, bytes), narrow_mask);
    return wide != 0;
}

NORMD_INLINE void store(element *to, real_vector vector)
{
    stored_vector stored = narrowed(vector);
    memcpy(to, &stored, sizeof stored);
}

/* Past the caches; `to` is aligned to STORE_BYTES. */
NORMD_INLINE void store_streamed(element *to, real_vector vector)
{
#if defined(__SSE2__)
    stored_vector stored = narrowed(vector);
    switch (sizeof stored) {
#if NORMD_VECTOR_BYTES == 64
    case 64:
        _mm512_stream_si512((void *)to, NORMD_LOAD(__m512i, &stored));
        break;
#endif
#if NORMD_VECTOR_BYTES >= 32
    case 32:
        _mm256_stream_si256((void *)to, NORMD_LOAD(__m256i, &stored));
        break;
#endif
    case 16:
        _mm_stream_si128((void *)to, NORMD_LOAD(__m128i, &stored));
        break;
    default:
        memcpy(to, &stored, sizeof stored);
    }
#else
    store(to, vector);
#endif
}

/* After the last streamed store of a tile: what was stored is seen by whoever is told of it. */
NORMD_INLINE void streamed_stores_end(void)
{
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

#endif
