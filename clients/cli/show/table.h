// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_SHOW_TABLE_H
#define NORMD_CLIENTS_CLI_SHOW_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { NORMD_TABLE_MAX_COLUMNS = 8 };

/* Vectors of the same length, side by side. The names and values are the caller's. */
typedef struct normd_table {
    size_t columns, rows;
    const char *name[NORMD_TABLE_MAX_COLUMNS];
    size_t name_length[NORMD_TABLE_MAX_COLUMNS];
    double *values[NORMD_TABLE_MAX_COLUMNS];
} normd_table;

/*
 * Rows [begin, end) with their index, then minimum, median and maximum of all rows, then a profile
 * and a histogram of each column. Fitted to `width`; columns that do not fit follow below the rest.
 *
 *   feature  running_mean  running_var
 *         0        0.1034       1.0212
 *       min       -0.9921      0.01102
 *    median        0.0120       0.9981
 *       max         1.221        3.141
 *
 *                 by feature   how often, min to max
 *   running_mean  ▁▂▄▇█▃▂▁▁▂▅  ▁▃█▅▁
 */
void normd_table_print(
    FILE *out, const normd_table *table, size_t begin, size_t end, bool ascii, size_t width);

#endif
