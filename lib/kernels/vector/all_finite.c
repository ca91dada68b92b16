// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/kernels/vector/vector.h"

/* Vectors looked at between two tests of the outcome. */
enum { AT_ONCE = 64 };

#if NORMD_ELEMENT_BITS == 32
typedef int32_t bits;
static const bits largest = 0x7f7fffff, magnitude = INT32_MAX;
#else
typedef int64_t bits;
static const bits largest = 0x7fefffffffffffff, magnitude = INT64_MAX;
#endif
typedef bits bits_vector __attribute__((vector_size(NORMD_VECTOR_BYTES)));

static bool vectors_are_finite(const element *x, size_t vectors)
{
    bits_vector over = {0};
    for (size_t v = 0; v < vectors; v++) {
        bits_vector values;
        memcpy(&values, x + v * WIDTH, sizeof values);
        over |= (values & magnitude) > largest;
    }
    bits any = 0;
    for (int l = 0; l < WIDTH; l++) {
        any |= over[l];
    }
    return any == 0;
}

bool NORMD_KERNEL(all_finite)(const void *x, size_t count)
{
    const element *values = x;
    size_t done = 0;
    while (done + WIDTH <= count) {
        size_t vectors = (count - done) / WIDTH;
        vectors = vectors < AT_ONCE ? vectors : AT_ONCE;
        if (!vectors_are_finite(values + done, vectors)) {
            return false;
        }
        done += vectors * WIDTH;
    }
    for (; done < count; done++) {
        if (!isfinite(values[done])) {
            return false;
        }
    }
    return true;
}
