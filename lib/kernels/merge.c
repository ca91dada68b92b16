// SPDX-License-Identifier: Apache-2.0
#include "lib/kernels/join.h"

void normd_moments_merge(normd_moments *total, const normd_moments *part)
{
    *total = normd_moments_joined(*total, *part);
}
