// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_DATA_CSV_H
#define NORMD_CLIENTS_CLI_DATA_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"

typedef enum normd_csv_header {
    NORMD_CSV_HEADER_AUTO, /* the first line is a header when one of its fields is no number */
    NORMD_CSV_HEADER_YES,
    NORMD_CSV_HEADER_NO,
} normd_csv_header;

/* A table of numbers, (rows, columns), row-major; owned. */
typedef struct normd_csv {
    size_t rows, columns;
    double *values;
    bool skipped_header;
} normd_csv;

/*
 * Reads a CSV file, plain or gzipped; "-" is the standard input. Fields are separated by commas,
 * semicolons or tabs, whichever the first line has first; fields may be quoted; lines end with LF,
 * CRLF or the end of the file; empty lines and a byte order mark are skipped. Every field must be a
 * number, every line as long as the first. A mistake is BAD_ARGUMENT and names
 * "file:line:field". On OK free with normd_csv_free.
 */
normd_status normd_csv_read(
    const char *path, normd_csv_header header, normd_csv *csv, normd_error *error);
void normd_csv_free(normd_csv *csv);

#endif
