// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/kernels/element.h"

bool NORMD_KERNEL(all_finite)(const void *x, size_t count)
{
    const element *values = x;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(widen(values[i]))) {
            return false;
        }
    }
    return true;
}
