// SPDX-License-Identifier: Apache-2.0
#include "lib/kernels/kernels.h"

#include <string.h>

#include "lib/kernels/rows.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* Clang's __builtin_cpu_supports does not know it. Whether the system saves the registers is asked
   along with AVX2. */
static bool machine_has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

#define ROW_SUPPORTED(row, test)                                                                   \
    static bool row##_supported(void)                                                              \
    {                                                                                              \
        return test;                                                                               \
    }
NORMD_ROW_MAP(ROW_SUPPORTED)

#define KERNEL_SET(row, type, bytes)                                                               \
    {                                                                                              \
        .element_bytes = bytes, .sums = normd_sums_##row##_##type,                                 \
        .centered_sums = normd_centered_sums_##row##_##type,                                       \
        .normalize = normd_normalize_##row##_##type,                                               \
        .gradient_sums = normd_gradient_sums_##row##_##type,                                       \
        .centered_gradient_sums = normd_centered_gradient_sums_##row##_##type,                     \
        .backward = normd_backward_##row##_##type, .all_finite = normd_all_finite_##row##_##type,  \
        .moments = normd_moments_##row##_##type,                                                   \
        .centered_moments = normd_centered_moments_##row##_##type,                                 \
        .settle = normd_settle_##row##_##type,                                                     \
        .settle_gradients = normd_settle_gradients_##row##_##type,                                 \
    }
#define ROW(row, test)                                                                             \
    {#row, row##_supported, KERNEL_SET(row, f32, 4), KERNEL_SET(row, f64, 8),                      \
        KERNEL_SET(row, f16, 2), KERNEL_SET(row, bf16, 2)},

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
