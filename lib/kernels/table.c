// SPDX-License-Identifier: Apache-2.0
#include "lib/kernels/kernels.h"

#include <string.h>

#include "lib/kernels/rows.h"

#define ROW_SUPPORTED(row, test)                                                                   \
    static bool row##_supported(void)                                                              \
    {                                                                                              \
        return test;                                                                               \
    }
NORMD_ROW_MAP(ROW_SUPPORTED)

#define KERNEL_SET(row, bits)                                                                      \
    {                                                                                              \
        .moments = normd_moments_##row##_f##bits, .merge = normd_merge_##row##_f##bits,            \
        .normalize = normd_normalize_##row##_f##bits,                                              \
        .backward_sums = normd_backward_sums_##row##_f##bits,                                      \
        .backward_apply = normd_backward_apply_##row##_f##bits,                                    \
        .all_finite = normd_all_finite_##row##_f##bits,                                            \
    }
#define ROW(row, test) {#row, row##_supported, KERNEL_SET(row, 32), KERNEL_SET(row, 64)},

static const normd_kernels table[] = {NORMD_ROW_MAP(ROW)};
enum { ROWS = sizeof table / sizeof table[0] };

const normd_kernels *normd_kernels_table(size_t *rows)
{
    *rows = ROWS;
    return table;
}

const normd_kernels *normd_kernels_choose(const char *name)
{
    bool best = name == NULL || strcmp(name, "auto") == 0;
    /* From the widest down; the first row is the reference, which is never the best. */
    for (size_t i = ROWS; i-- > 0;) {
        if ((best ? i > 0 : strcmp(name, table[i].name) == 0) && table[i].supported()) {
            return &table[i];
        }
    }
    return NULL;
}
