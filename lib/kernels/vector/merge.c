// SPDX-License-Identifier: Apache-2.0
#include "lib/kernels/join.h"
#include "lib/kernels/vector/vector.h"

/* The compiler makes vectors of these loops: they are the same for each channel and do not branch.
 */
typedef struct unit_moments {
    double count[UNIT], mean[UNIT], mean_low[UNIT], m2[UNIT], sum[UNIT], sum_low[UNIT];
} unit_moments;

NORMD_INLINE void unit_set(unit_moments *unit, int lane, normd_moments moments)
{
    unit->count[lane] = moments.count;
    unit->mean[lane] = moments.mean;
    unit->mean_low[lane] = moments.mean_low;
    unit->m2[lane] = moments.m2;
    unit->sum[lane] = moments.sum;
    unit->sum_low[lane] = moments.sum_low;
}

NORMD_INLINE normd_moments unit_get(const unit_moments *unit, int lane)
{
    return (normd_moments){unit->count[lane], unit->mean[lane], unit->mean_low[lane],
        unit->m2[lane], unit->sum[lane], unit->sum_low[lane]};
}

static void merge_unit(normd_moments *totals, const normd_moments *parts)
{
    unit_moments total, part;
    for (int l = 0; l < UNIT; l++) {
        unit_set(&total, l, totals[l]);
        unit_set(&part, l, parts[l]);
    }
    for (int l = 0; l < UNIT; l++) {
        unit_set(&total, l, normd_moments_joined(unit_get(&total, l), unit_get(&part, l)));
    }
    for (int l = 0; l < UNIT; l++) {
        totals[l] = unit_get(&total, l);
    }
}

void NORMD_KERNEL(merge)(normd_moments *totals, const normd_moments *parts, size_t channels)
{
    size_t c = 0;
    for (; c + UNIT <= channels; c += UNIT) {
        merge_unit(totals + c, parts + c);
    }
    for (; c < channels; c++) {
        normd_moments_merge(&totals[c], &parts[c]);
    }
}
