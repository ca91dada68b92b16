// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_VECTOR_VECTOR_H
#define NORMD_KERNELS_VECTOR_VECTOR_H

#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "lib/kernels/element.h"

/*
 * Vectors of the machine's own width; the build defines NORMD_VECTOR_BYTES for each row of the
 * table. Bits do not depend on the width, since no operation crosses lanes. The reductions work on
 * units of 16 values in as many vectors of doubles as that takes.
 */
enum {
    UNIT = 16,
    WIDTH = NORMD_VECTOR_BYTES / (int)sizeof(element), /* elements in a vector */
    DOUBLES = NORMD_VECTOR_BYTES / (int)sizeof(double),
    PARTS = UNIT / DOUBLES, /* vectors of doubles in a unit */
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

/* DOUBLES elements, widened. */
NORMD_INLINE double_vector doubles_load_elements(const element *from)
{
    narrow_vector narrow;
    memcpy(&narrow, from, sizeof narrow);
#if defined(__AVX512F__) && NORMD_ELEMENT_BITS == 32
    return _mm512_cvtps_pd(narrow); /* GCC 12 takes three instructions for the next line */
#else
    return __builtin_convertvector(narrow, double_vector);
#endif
}

#endif
