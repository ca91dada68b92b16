// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_VECTOR_VECTOR_H
#define NORMD_KERNELS_VECTOR_VECTOR_H

#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "lib/kernels/element.h"

/*
 * Vectors of the machine's own width; the build defines NORMD_VECTOR_BYTES for each row of the
 * table. Bits do not depend on the width, since no operation crosses lanes. The reductions work on
 * units of 16 values, a cache line of floats, and within a unit on groups of two vectors of
 * doubles: what their lanes need then stays in registers.
 */
enum {
    UNIT = 16,
    WIDTH = NORMD_VECTOR_BYTES / (int)sizeof(element), /* elements in a vector */
    DOUBLES = NORMD_VECTOR_BYTES / (int)sizeof(double),
    PARTS = 2,               /* vectors of doubles in a group */
    GROUP = PARTS * DOUBLES, /* lanes of a group */
};

typedef element element_vector __attribute__((vector_size(NORMD_VECTOR_BYTES)));
typedef double double_vector __attribute__((vector_size(NORMD_VECTOR_BYTES)));
/* As many elements as a double_vector has doubles. */
typedef element narrow_vector
    __attribute__((vector_size(NORMD_VECTOR_BYTES / sizeof(double) * sizeof(element))));

#define NORMD_INLINE static inline __attribute__((always_inline))

NORMD_INLINE element_vector vector_load(const element *from)
{
    element_vector vector;
    memcpy(&vector, from, sizeof vector);
    return vector;
}

NORMD_INLINE void vector_store(element *to, element_vector vector)
{
    memcpy(to, &vector, sizeof vector);
}

/* `value` in every lane. */
NORMD_INLINE element_vector vector_of(element value)
{
    return value - (element_vector){0};
}

NORMD_INLINE double_vector doubles_load(const double *from)
{
    double_vector vector;
    memcpy(&vector, from, sizeof vector);
    return vector;
}

NORMD_INLINE void doubles_store(double *to, double_vector vector)
{
    memcpy(to, &vector, sizeof vector);
}

/* Lanes to be left out: all bits zero there, all bits one elsewhere. */
typedef int64_t lane_mask __attribute__((vector_size(NORMD_VECTOR_BYTES)));

/* The mask of lanes [begin, begin + DOUBLES) of a unit, of which the last `count` are kept. */
NORMD_INLINE lane_mask mask_last_lanes(size_t begin, size_t count)
{
    lane_mask mask = {0};
    for (size_t l = 0; l < DOUBLES; l++) {
        mask[l] = begin + l + count >= UNIT ? -1 : 0;
    }
    return mask;
}

/* Zero in the lanes that the mask leaves out, whatever stood there. */
NORMD_INLINE double_vector doubles_masked(double_vector vector, lane_mask mask)
{
    return (double_vector)((lane_mask)vector & mask);
}

/* DOUBLES elements, widened. */
NORMD_INLINE double_vector doubles_load_elements(const element *from)
{
    narrow_vector narrow;
    memcpy(&narrow, from, sizeof narrow);
    /* GCC 12 takes several instructions for the conversion of the last line where one would do. */
#if defined(__AVX512F__) && NORMD_ELEMENT_BITS == 32
    return _mm512_cvtps_pd(narrow);
#elif defined(__SSE2__) && NORMD_ELEMENT_BITS == 32 && NORMD_VECTOR_BYTES == 16
    return _mm_cvtps_pd((__m128)__builtin_shufflevector(narrow, narrow, 0, 1, 0, 1));
#else
    return __builtin_convertvector(narrow, double_vector);
#endif
}

#endif
