// SPDX-License-Identifier: Apache-2.0
#include "tests/accuracy/report.h"

#include <stdio.h>

void accuracy_print_head(normd_dtype dtype, const char *row)
{
    printf("\n%s, %s: errors in ulp, then errors / bounds\n%-24s%10s%10s", normd_dtype_title(dtype),
        row, "x", "mean", "variance");
    for (size_t q = 0; q < ACCURACY_QUANTITIES; q++) {
        printf("%10s", accuracy_quantity_name((accuracy_quantity)q));
    }
    printf("\n");
}

void accuracy_print(const char *x_set, const accuracy_figures *figures)
{
    printf("%-24s%10.3g%10.3g", x_set, figures->mean_ulps, figures->variance_ulps);
    for (size_t q = 0; q < ACCURACY_QUANTITIES; q++) {
        printf("%10.2g", figures->ratio[q]);
    }
    printf("\n");
}

/* JSON has no infinity. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *accuracy_figures_json(normd_dtype dtype, const char *x_set, const accuracy_figures *figures)
{
    json_t *ratio = json_object();
    bool ok = ratio != NULL;
    for (size_t q = 0; q < ACCURACY_QUANTITIES && ok; q++) {
        const char *name = accuracy_quantity_name((accuracy_quantity)q);
        ok = json_object_set_new(ratio, name, number(figures->ratio[q])) == 0;
    }
    if (!ok) {
        json_decref(ratio);
        return NULL;
    }
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "dtype", normd_dtype_title(dtype), "x", x_set,
        "mean_ulps", number(figures->mean_ulps), "variance_ulps", number(figures->variance_ulps),
        "ratio", ratio);
}
