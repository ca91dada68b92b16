// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_ACCURACY_QUAD_H
#define NORMD_TESTS_ACCURACY_QUAD_H

#include <float.h>
#include <math.h>

/* What the reference computes in: binary128, 113 bits and exponents to 16383. */
#if defined(__SIZEOF_FLOAT128__)
typedef __float128 quad;
#else
typedef long double quad;
_Static_assert(LDBL_MANT_DIG >= 113, "long double is binary128 where there is no __float128");
#endif

static inline quad quad_absolute(quad a)
{
    return a < 0 ? -a : a;
}

/* For 0 < a in the range of double. Newton's method doubles the 52 digits it starts with; the third
   step is for the rounding of the second. */
static inline quad quad_root(quad a)
{
    quad root = (quad)sqrt((double)a);
    for (int step = 0; step < 3; step++) {
        root = (root + a / root) / 2;
    }
    return root;
}

#endif
