// SPDX-License-Identifier: Apache-2.0
#include "lib/kernels/element.h"

void NORMD_KERNEL(merge)(normd_moments *totals, const normd_moments *parts, size_t channels)
{
    for (size_t c = 0; c < channels; c++) {
        normd_moments_merge(&totals[c], &parts[c]);
    }
}
