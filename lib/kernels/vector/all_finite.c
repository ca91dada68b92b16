// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/kernels/vector/vector.h"

/* Vectors looked at between two tests of the outcome. */
enum { AT_ONCE = 64 };

/* Bits of the largest finite value, and of all but the sign. */
#if defined(NORMD_TYPE_F64)
typedef int64_t bits;
static const bits largest = 0x7fefffffffffffff, magnitude = INT64_MAX;
#elif defined(NORMD_TYPE_F32)
typedef int32_t bits;
static const bits largest = 0x7f7fffff, magnitude = INT32_MAX;
#elif defined(NORMD_TYPE_BF16)
typedef int16_t bits;
static const bits largest = 0x7f7f, magnitude = INT16_MAX;
#else
typedef int16_t bits;
static const bits largest = 0x7bff, magnitude = INT16_MAX;
#endif
typedef NORMD_VECTOR(bits, NORMD_VECTOR_BYTES) bits_vector;
enum { ELEMENTS = sizeof(bits_vector) / sizeof(element) };

static bool vectors_are_finite(const element *x, size_t vectors)
{
    bits_vector over = {0};
    for (size_t v = 0; v < vectors; v++) {
        over |= (NORMD_LOAD(bits_vector, x + v * ELEMENTS) & magnitude) > largest;
    }
    bits any = 0;
    for (int l = 0; l < ELEMENTS; l++) {
        any |= over[l];
    }
    return any == 0;
}

bool NORMD_KERNEL(all_finite)(const void *x, size_t count)
{
    const element *values = x;
    size_t done = 0;
    while (done + ELEMENTS <= count) {
        size_t vectors = (count - done) / ELEMENTS;
        vectors = vectors < AT_ONCE ? vectors : AT_ONCE;
        if (!vectors_are_finite(values + done, vectors)) {
            return false;
        }
        done += vectors * ELEMENTS;
    }
    for (; done < count; done++) {
        if (!isfinite(widen(values[done]))) {
            return false;
        }
    }
    return true;
}
