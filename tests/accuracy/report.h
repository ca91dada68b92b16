// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_ACCURACY_REPORT_H
#define NORMD_TESTS_ACCURACY_REPORT_H

#include <jansson.h>

#include "tests/accuracy/check.h"

/* Prints the head of a table of figures, and one line of it. */
void accuracy_print_head(normd_dtype dtype, const char *row);
void accuracy_print(const char *x_set, const accuracy_figures *figures);

/* The figures as JSON, {"x": "normal", "mean_ulps": 0, ..., "ratio": {"mean": 0, ...}}; null where
   a figure is infinite. NULL when out of memory. */
json_t *accuracy_figures_json(
    normd_dtype dtype, const char *x_set, const accuracy_figures *figures);

#endif
